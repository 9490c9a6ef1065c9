"""Registry of the encoders that recipes name; importing it needs no torch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry

if TYPE_CHECKING:
    from mmer.models.networks.encoders.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class EncoderEntry(Entry):
    """An encoder of one modality; ``options`` are the arguments that the name stands for."""

    modality: str
    options: Mapping[str, Any] = field(default_factory=dict)


_TEXT: Final = f"{__name__}.text_transformer:TextTransformer"
_WAVE: Final = f"{__name__}.wave_transformer:WaveTransformer"
_VIT: Final = "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words"

ENCODERS: Final = Registry(
    "encoder",
    {
        "mobilebert": EncoderEntry(
            _TEXT,
            "MobileBERT, a quarter of BERT's size, pooled",
            "Sun et al. 2020, MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited "
            "Devices",
            modality="text",
            options={"model": "google/mobilebert-uncased"},
        ),
        "bert": EncoderEntry(
            _TEXT,
            "BERT, pooled",
            "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers",
            modality="text",
            options={"model": "bert-base-uncased"},
        ),
        "roberta": EncoderEntry(
            _TEXT,
            "RoBERTa, BERT trained longer on more, pooled",
            "Liu et al. 2019, RoBERTa: A Robustly Optimized BERT Pretraining Approach",
            modality="text",
            options={"model": "roberta-base"},
        ),
        "distilbert": EncoderEntry(
            _TEXT,
            "DistilBERT, half of BERT's layers, pooled",
            "Sanh et al. 2019, DistilBERT, a distilled version of BERT",
            modality="text",
            options={"model": "distilbert-base-uncased"},
        ),
        "transformer": EncoderEntry(
            _TEXT,
            "any text encoder of a hub or a local folder: its option model",
            "Wolf et al. 2020, Transformers: State-of-the-Art Natural Language Processing",
            modality="text",
        ),
        "text-cnn": EncoderEntry(
            f"{__name__}.text_cnn:TextCNN",
            "parallel convolutions of 3, 4 and 5 tokens over token embeddings",
            "Kim 2014, Convolutional Neural Networks for Sentence Classification",
            modality="text",
            options={"model": "bert-base-uncased"},
        ),
        "mfcc-cnn": EncoderEntry(
            f"{__name__}.mfcc_cnn:MfccCNN",
            "convolutions over the time of MFCC, masked or zero-padded",
            "de Pinto et al. 2020, Emotions Understanding Model from Spoken Language using Deep "
            "Neural Networks and Mel-Frequency Cepstral Coefficients",
            modality="speech",
        ),
        "logmel-cnn": EncoderEntry(
            f"{__name__}.logmel_cnn:LogMelCNN",
            "2-D convolutions over a log-mel spectrum",
            "Kong et al. 2020, PANNs: Large-Scale Pretrained Audio Neural Networks",
            modality="speech",
        ),
        "descriptors": EncoderEntry(
            f"{__name__}.descriptors:DescriptorNet",
            "dense net over librosa's MFCC, chroma, pitch and spectral descriptors",
            "Issa et al. 2020, Speech emotion recognition with deep convolutional neural networks",
            modality="speech",
        ),
        "egemaps": EncoderEntry(
            f"{__name__}.descriptors:DescriptorNet",
            "dense net over openSMILE's eGeMAPS (optional package opensmile)",
            "Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS)",
            modality="speech",
            options={"of": "egemaps"},
        ),
        "wav2vec2": EncoderEntry(
            _WAVE,
            "wav2vec 2.0 over samples, masked mean or attention",
            "Baevski et al. 2020, wav2vec 2.0: A Framework for Self-Supervised Learning",
            modality="speech",
            options={"model": "facebook/wav2vec2-base"},
        ),
        "hubert": EncoderEntry(
            _WAVE,
            "HuBERT over samples, masked mean or attention",
            "Hsu et al. 2021, HuBERT: Self-Supervised Speech Representation Learning",
            modality="speech",
            options={"model": "facebook/hubert-base-ls960"},
        ),
        "wavlm": EncoderEntry(
            _WAVE,
            "WavLM over samples, masked mean or attention",
            "Chen et al. 2022, WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack "
            "Speech",
            modality="speech",
            options={"model": "microsoft/wavlm-base"},
        ),
        "vit": EncoderEntry(
            f"{__name__}.vit:Vit",
            "ViT over sampled images, their mean; sees frames or faces",
            _VIT,
            modality="face",
            options={"model": "google/vit-base-patch16-224"},
        ),
        "vit-bilstm": EncoderEntry(
            f"{__name__}.vit_bilstm:VitBiLSTM",
            "ViT over 8 frames, BiLSTM, multi-head attention pooling",
            _VIT,
            modality="face",
            options={"model": "google/vit-base-patch16-224", "sees": "frames"},
        ),
        "face-vit-bilstm": EncoderEntry(
            f"{__name__}.vit_bilstm:VitBiLSTM",
            "the same over crops of the face",
            _VIT,
            modality="face",
            options={"model": "google/vit-base-patch16-224", "sees": "faces"},
        ),
        "face-cnn": EncoderEntry(
            f"{__name__}.face_cnn:FaceCNN",
            "residual convolutions over grey face crops, attention over crops",
            "Meng et al. 2019, Frame Attention Networks for Facial Expression Recognition in "
            "Videos",
            modality="face",
        ),
        "cnn3d": EncoderEntry(
            f"{__name__}.cnn3d:CNN3D",
            "small R(2+1)D over 16 frames; sees frames or faces",
            "Tran et al. 2018, A Closer Look at Spatiotemporal Convolutions for Action Recognition",
            modality="face",
        ),
    },
)


def build_encoder(kind: str, options: Mapping[str, Any], where: str) -> Encoder:
    """An encoder by its name in ``ENCODERS``; ``options`` are its constructor's keywords.

    Raises:
        MmerError: no such encoder or option; what it needs is not installed or not on this machine.
    """
    try:
        made = ENCODERS.load(kind)
    except MmerError as error:
        raise MmerError(f"{where}: {error}") from error
    known = set(inspect.signature(made).parameters)
    if unknown := sorted(set(options) - known):
        raise MmerError(
            f"{where}: {kind} has no {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    try:
        encoder: Encoder = made(**{**ENCODERS[kind].options, **options})
    except TypeError as error:
        raise MmerError(f"{where}: {kind}: {error}") from error
    return encoder
