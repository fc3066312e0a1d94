"""Public models that a person may fetch, each pinned by its SHA-256 and size. They are others' work: none is shipped.

Where the figures were found (November 2026). Nobody who publishes these files publishes a SHA-256 of them; each was
taken from at least two projects that had hashed what they downloaded, and that agree in hash and size:

- Vosk's, all of them: `src/vocalinux/utils/model_hashes.json` of github.com/VocaHQ/vocalinux, and `ModelLink.kt` of
  github.com/npnpatidar/Sayboard. The hash of en-us also in numen's install script, in Arch's vosk-api-bin and in
  `vosk-model-small-en-us_0.15.bb` of Automotive Grade Linux (agl-ic-eg/meta-agl-devel); of en-us and it in
  kercre123/wirepod-pi-yocto.
- YuNet: hashed from the file itself, and the same in many projects that fetch it from OpenCV Zoo.

Licences are those of alphacep's own list, https://alphacephei.com/vosk/models, and of OpenCV Zoo's model folder.
"""

from dataclasses import dataclass

from edge.perceive.face_detector import YUNET_FILE, YUNET_SHA256


@dataclass(frozen=True)
class PublicModel:
    """A model on the internet.

    Attributes:
        name: what a person types.
        purpose, language, licence: in words, for the list.
        url: a file, or a zip with one folder.
        sha256, size_bytes: of what the URL gives.
        installed_as: its name in the cache folder: of the file, or of the folder that was unpacked.
    """

    name: str
    purpose: str
    language: str
    licence: str
    url: str
    sha256: str
    size_bytes: int
    installed_as: str

    @property
    def zipped(self) -> bool:
        """It is unpacked after fetching."""
        return self.url.endswith(".zip")


def _vosk(version: str, language: str, size_bytes: int, sha256: str) -> PublicModel:
    name = f"vosk-model-small-{version}"
    url = f"https://alphacephei.com/vosk/models/{name}.zip"
    return PublicModel(name, "speech to words", language, "Apache-2.0", url, sha256, size_bytes, name)


PUBLIC_MODELS = (
    PublicModel(
        name="yunet",
        purpose="finding faces",
        language="-",
        licence="MIT",
        # A commit, not a branch: the file there never changes. It redirects to where GitHub keeps LFS files.
        url="https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/"
        f"models/face_detection_yunet/{YUNET_FILE}",
        sha256=YUNET_SHA256,
        size_bytes=232_589,
        installed_as=YUNET_FILE,
    ),
    _vosk("en-us-0.15", "English (US)", 41_205_931, "30f26242c4eb449f948e42cb302dd7a686cb29a3423a8367f99ff41780942498"),
    _vosk(
        "en-in-0.4", "English (India)", 37_573_330, "20663dcac4d5cb783a579c54d98339344a688e4ec6e1b4a4b059fd1235454cc7"
    ),
    _vosk("cn-0.22", "Chinese", 43_898_754, "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba"),
    _vosk("de-0.15", "German", 46_499_967, "b7e53c90b1f0a38456f4cd62b366ecd58803cd97cd42b06438e2c131713d5e43"),
    _vosk("es-0.42", "Spanish", 39_817_833, "09b239888f633ef2f0b4e09736e3d9936acfd810bc65d53fad45261762c6511f"),
    _vosk("fr-0.22", "French", 42_233_323, "cabf6180e177eb9b3a9a9d43a437bd5e549f3a7d09525e5d69a3fed787be12ad"),
    _vosk("hi-0.22", "Hindi", 44_458_845, "7c50a10866889f0ac21d912c20537a055a597ed09fc1d3e5bcd798f9f0017e48"),
    _vosk("it-0.22", "Italian", 49_665_141, "9ec65e75861d1c6c2e457cccd932705340dcdf233f5b239f00733b4de0bf3267"),
    _vosk("ja-0.22", "Japanese", 49_704_573, "efa092d280153a77615e9e0c7d7283e93e600de3d19d3bec686c57ef19d52eac"),
    _vosk("nl-0.22", "Dutch", 40_441_176, "039811c3b829de64e4f123a9f684a53784005b212a346ac0b899dc7efce2ed0a"),
    _vosk("pl-0.22", "Polish", 52_979_372, "c4cd16498ea544f446f9e9a55cbd602b71cfe5a2b6f2b0834d81e1b6fce15f0d"),
    _vosk("pt-0.3", "Portuguese", 32_453_112, "6e1ce909032e1afa7a88e68a3d628ecafff302bdf195befab308826c395e93b7"),
    _vosk("ru-0.22", "Russian", 46_236_750, "961d5ff98a17f4aa6de69864d0aa71fa5bac682301d2b5d17a3f24c5c99a46d4"),
    _vosk("tr-0.3", "Turkish", 36_855_784, "8c8d07cec1bce31add14967c16891c84152cdf76d391e33c08278119b9ea96e5"),
)
"""What ``m3er-edge models`` knows."""
