"""The seven emotions of the default bundle, and how each corpus names them."""

EMOTIONS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")

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
    "calm": "neutral",  # RAVDESS alone has it
    "sad": "sad",
    "surprise": "surprise",
}
