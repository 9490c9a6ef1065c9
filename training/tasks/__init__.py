"""Training tasks: the data, network, augmentation and card of each modality and of the fusion."""
