"""The encoders that recipes name: a table that is read without torch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from mmer.models.networks.encoders.encoder import Encoder


@dataclass(frozen=True)
class Entry:
    """``place`` is "module:Class" below this package; ``options`` are what the name stands for."""

    modality: str
    place: str
    summary: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)


_TEXT: Final = "text_transformer:TextTransformer"
_WAVE: Final = "wave_transformer:WaveTransformer"
_VIT: Final = "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words"

ENCODERS: Final[Mapping[str, Entry]] = {
    "mobilebert": Entry(
        "text",
        _TEXT,
        "MobileBERT, a quarter of BERT's size, pooled",
        "Sun et al. 2020, MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices",
        {"model": "google/mobilebert-uncased"},
    ),
    "bert": Entry(
        "text",
        _TEXT,
        "BERT, pooled",
        "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers",
        {"model": "bert-base-uncased"},
    ),
    "roberta": Entry(
        "text",
        _TEXT,
        "RoBERTa, BERT trained longer on more, pooled",
        "Liu et al. 2019, RoBERTa: A Robustly Optimized BERT Pretraining Approach",
        {"model": "roberta-base"},
    ),
    "distilbert": Entry(
        "text",
        _TEXT,
        "DistilBERT, half of BERT's layers, pooled",
        "Sanh et al. 2019, DistilBERT, a distilled version of BERT",
        {"model": "distilbert-base-uncased"},
    ),
    "transformer": Entry(
        "text",
        _TEXT,
        "any text encoder of a hub or a local folder: its option model",
        "Wolf et al. 2020, Transformers: State-of-the-Art Natural Language Processing",
    ),
    "text-cnn": Entry(
        "text",
        "text_cnn:TextCNN",
        "parallel convolutions of 3, 4 and 5 tokens over token embeddings",
        "Kim 2014, Convolutional Neural Networks for Sentence Classification",
        {"model": "bert-base-uncased"},
    ),
    "mfcc-cnn": Entry(
        "speech",
        "mfcc_cnn:MfccCNN",
        "convolutions over the time of MFCC, masked or zero-padded",
        "de Pinto et al. 2020, Emotions Understanding Model from Spoken Language using Deep Neural "
        "Networks and Mel-Frequency Cepstral Coefficients",
    ),
    "logmel-cnn": Entry(
        "speech",
        "logmel_cnn:LogMelCNN",
        "2-D convolutions over a log-mel spectrum",
        "Kong et al. 2020, PANNs: Large-Scale Pretrained Audio Neural Networks",
    ),
    "descriptors": Entry(
        "speech",
        "descriptors:DescriptorNet",
        "dense net over librosa's MFCC, chroma, pitch and spectral descriptors",
        "Issa et al. 2020, Speech emotion recognition with deep convolutional neural networks",
    ),
    "egemaps": Entry(
        "speech",
        "descriptors:DescriptorNet",
        "dense net over openSMILE's eGeMAPS (optional package opensmile)",
        "Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS)",
        {"of": "egemaps"},
    ),
    "wav2vec2": Entry(
        "speech",
        _WAVE,
        "wav2vec 2.0 over samples, masked mean or attention",
        "Baevski et al. 2020, wav2vec 2.0: A Framework for Self-Supervised Learning",
        {"model": "facebook/wav2vec2-base"},
    ),
    "hubert": Entry(
        "speech",
        _WAVE,
        "HuBERT over samples, masked mean or attention",
        "Hsu et al. 2021, HuBERT: Self-Supervised Speech Representation Learning",
        {"model": "facebook/hubert-base-ls960"},
    ),
    "wavlm": Entry(
        "speech",
        _WAVE,
        "WavLM over samples, masked mean or attention",
        "Chen et al. 2022, WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech",
        {"model": "microsoft/wavlm-base"},
    ),
    "vit": Entry(
        "face",
        "vit:Vit",
        "ViT over sampled pictures, their mean; sees frames or faces",
        _VIT,
        {"model": "google/vit-base-patch16-224"},
    ),
    "vit-bilstm": Entry(
        "face",
        "vit_bilstm:VitBiLSTM",
        "ViT over 8 frames, BiLSTM, multi-head attention pooling",
        _VIT,
        {"model": "google/vit-base-patch16-224", "sees": "frames"},
    ),
    "face-vit-bilstm": Entry(
        "face",
        "vit_bilstm:VitBiLSTM",
        "the same over crops of the face",
        _VIT,
        {"model": "google/vit-base-patch16-224", "sees": "faces"},
    ),
    "face-cnn": Entry(
        "face",
        "face_cnn:FaceCNN",
        "residual convolutions over grey face crops, attention over crops",
        "Meng et al. 2019, Frame Attention Networks for Facial Expression Recognition in Videos",
    ),
    "cnn3d": Entry(
        "face",
        "cnn3d:CNN3D",
        "small R(2+1)D over 16 frames; sees frames or faces",
        "Tran et al. 2018, A Closer Look at Spatiotemporal Convolutions for Action Recognition",
    ),
}


def build_encoder(kind: str, options: Mapping[str, Any], where: str) -> Encoder:
    """An encoder by its name in ``ENCODERS``; ``options`` are its constructor's keywords.

    Raises:
        MmerError: no such encoder or option; what it needs is not installed or not on this machine.
    """
    if kind not in ENCODERS:
        raise MmerError(f"{where}: no encoder {kind!r}; known are {', '.join(ENCODERS)}")
    entry = ENCODERS[kind]
    module, name = entry.place.split(":")
    made = getattr(import_module(f"{__name__}.{module}"), name)
    known = set(inspect.signature(made).parameters)
    if unknown := sorted(set(options) - known):
        raise MmerError(
            f"{where}: {kind} has no {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    try:
        encoder: Encoder = made(**{**entry.options, **options})
    except TypeError as error:
        raise MmerError(f"{where}: {kind}: {error}") from error
    return encoder
