"""The ROS 2 messages that we publish, as their packages define them, and whether a message is one of them."""

DEFINITIONS: dict[str, dict[str, str]] = {
    "builtin_interfaces/msg/Time": {"sec": "int32", "nanosec": "uint32"},
    "std_msgs/msg/Header": {"stamp": "builtin_interfaces/msg/Time", "frame_id": "string"},
    "std_msgs/msg/String": {"data": "string"},
    "hri_msgs/msg/Expression": {
        "header": "std_msgs/msg/Header",
        "expression": "string",
        "valence": "float32",
        "arousal": "float32",
        "confidence": "float32",
    },
    "diagnostic_msgs/msg/KeyValue": {"key": "string", "value": "string"},
    "diagnostic_msgs/msg/DiagnosticStatus": {
        "level": "byte",
        "name": "string",
        "message": "string",
        "hardware_id": "string",
        "values": "diagnostic_msgs/msg/KeyValue[]",
    },
    "diagnostic_msgs/msg/DiagnosticArray": {
        "header": "std_msgs/msg/Header",
        "status": "diagnostic_msgs/msg/DiagnosticStatus[]",
    },
}
"""The fields of each message, and their types."""

_NAMES = (
    "neutral angry sad happy surprised disgusted scared pleading vulnerable despaired guilty disappointed embarrassed "
    "horrified skeptical annoyed furious suspicious rejected bored tired asleep confused amazed excited"
)
EXPRESSION_NAMES = set(_NAMES.split())
"""The constants of hri_msgs/msg/Expression."""

_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "byte": (0, 255)}


def problem(value: object, kind: str, where: str = "msg") -> str | None:
    """Why ``value`` cannot be a ROS message, or a part of one, of this type; None if it can.

    Missing fields are a problem, too, though rosbridge only warns of them.
    """
    if kind.endswith("[]"):
        if not isinstance(value, list):
            return f"{where} must be a list"
        found = (problem(part, kind[:-2], f"{where}[{i}]") for i, part in enumerate(value))
        return next((why for why in found if why), None)
    if kind in DEFINITIONS:
        fields = DEFINITIONS[kind]
        if not isinstance(value, dict):
            return f"{where} must be an object"
        if fields.keys() ^ value.keys():
            return f"{where} has wrong or missing fields: {sorted(fields.keys() ^ value.keys())}"
        found = (problem(value[name], part, f"{where}.{name}") for name, part in fields.items())
        return next((why for why in found if why), None)
    if kind == "string":
        return None if isinstance(value, str) else f"{where} must be a string"
    if isinstance(value, bool):
        return f"{where} must be a {kind}"
    if kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        return None if isinstance(value, int) and low <= value <= high else f"{where} must be a {kind}"
    return None if isinstance(value, (int, float)) and abs(value) < 3.4e38 else f"{where} must be a {kind}"
