"""The seven emotions of the default bundle, and how each corpus names them."""

EMOTIONS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")

CALM = "calm"
"""An eighth, which RAVDESS alone asks for; elsewhere it counts as neutral."""

OF_FERPLUS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
OF_ACTED_SPEECH = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    CALM: "neutral",
    "sad": "sad",
    "surprise": "surprise",
}
