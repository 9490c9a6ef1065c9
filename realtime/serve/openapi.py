"""OpenAPI 3.1 description of the HTTP part of the server."""

from __future__ import annotations

from typing import Any, Final

from mmer import __version__
from mmer.models.labels import EMOTIONS
from mmer.realtime.options import PEOPLE
from mmer.realtime.policy import POLICY_NAMES
from mmer.realtime.serve.protocol import LONGEST_TEXT


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refused(*codes: int) -> dict[str, Any]:
    meaning = {
        400: "the body is no JSON object or form as described",
        401: "the token is wrong or missing",
        403: "the Host or the Origin is not this server, or its policy forbids it",
        408: "the body comes too slowly",
        413: "the body is too large",
        422: "a value is wrong, or the file is no media file",
        503: "the server is busy or about to end",
        507: "the server has no room for the file",
    }
    return {str(code): _json(_ref("Problem"), meaning[code]) for code in (403, *codes)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Final = {"type": "string", "maxLength": LONGEST_TEXT}
_QUERY: Final = {
    "modalities": {"type": "string", "description": "speech,text,face or a part of it"},
    "asr": {"type": "string", "description": "speech recognizer, as --asr of mmer-live"},
    "detector": {"type": "string", "description": "face detector, as --detector of mmer-live"},
    "video_fps": {"type": "number", "minimum": 1, "maximum": 120},
    "window_s": {"type": "number", "minimum": 0.5, "maximum": 60},
    "hop_s": {"type": "number", "minimum": 0.05, "maximum": 5},
    "hangover_s": {"type": "number", "minimum": 0.1, "maximum": 2},
    "baseline": {"type": "string", "enum": ["session", "none"]},
    "people": {"enum": list(PEOPLE), "description": "as --people of mmer-live"},
}
_UNLOCKED: Final[list[Any]] = [{}]  # no token

DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "mmer",
        "version": __version__,
        "description": "Recognition of emotion from speech, words and face. The live stream is the "
        "WebSocket /v1/stream, described in realtime/serve/README.md.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "."}],
    "security": [{"token": []}],
    "paths": {
        "/healthz": {
            "get": {
                "summary": "Whether the server takes sessions",
                "security": _UNLOCKED,
                "responses": {
                    "200": _json({"type": "object"}, "it does"),
                    **_refused(503),
                },
            }
        },
        "/metrics": {
            "get": {
                "summary": "Metrics for Prometheus",
                "responses": {
                    "200": {
                        "description": "text exposition format",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    },
                    **_refused(401),
                },
            }
        },
        "/v1/info": {
            "get": {
                "summary": "Models, labels, options, limits and version",
                "responses": {"200": _json(_ref("Info"), "the server"), **_refused(401)},
            }
        },
        "/v1/text": {
            "post": {
                "summary": "Emotion of a typed text",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("Text")}},
                },
                "responses": {
                    "200": _json(_ref("TextEmotion"), "the label, null where there is no word"),
                    **_refused(400, 401, 408, 413, 422),
                },
            }
        },
        "/v1/recognize": {
            "post": {
                "summary": "Emotion in a media file: JSON lines while it is analysed",
                "parameters": [
                    {"name": name, "in": "query", "schema": schema}
                    for name, schema in _QUERY.items()
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/octet-stream": {
                            "schema": {"type": "string", "contentMediaType": "video/mp4"}
                        },
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"file": {"type": "string", "format": "binary"}},
                                "required": ["file"],
                            }
                        },
                    },
                },
                "responses": {
                    "200": {
                        "description": "one JSON object a line; the last is of type end",
                        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                    },
                    **_refused(400, 401, 408, 413, 422, 503, 507),
                },
            }
        },
    },
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Problem": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            },
            "Text": {
                "type": "object",
                "properties": {
                    "text": _TEXT,
                    "context": {"type": "array", "items": _TEXT, "maxItems": 32},
                },
                "required": ["text"],
            },
            "TextEmotion": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "label": {"enum": [*EMOTIONS, None]},
                    "confidence": {"anyOf": [_SHARE, {"type": "null"}]},
                    "probs": {
                        "anyOf": [
                            {
                                "type": "object",
                                "properties": dict.fromkeys(EMOTIONS, _SHARE),
                                "required": list(EMOTIONS),
                            },
                            {"type": "null"},
                        ]
                    },
                },
                "required": ["text", "label", "confidence", "probs"],
            },
            "Info": {
                "type": "object",
                "properties": {
                    "name": {"const": "mmer"},
                    "version": {"type": "string"},
                    "labels": {"type": "array", "items": {"enum": list(EMOTIONS)}},
                    "models": {"type": "object"},
                    "limits": {"type": "object"},
                    "policy": {"enum": list(POLICY_NAMES)},
                    "notice": {"type": "string"},
                },
                "required": ["name", "version", "labels", "models", "limits", "policy", "notice"],
            },
        },
    },
}
