"""Names that are called otherwise here: those of earlier versions, of PyTorch and of Keras."""

RENAMED = {
    "Normaliser": "Normalize",
    "Part": "Subset",
    "Pictures": "LazyImages",
    "centre_crop": "center_crop",
    "colour_basis": "pca_color_basis",
    "colour_noise": "pca_color_noise",
    "mirror": "random_hflip",
    "portion": "hash_fraction",
    "ten_views": "ten_crop",
    # PyTorch
    "FiveCrop": "ten_crop",
    "Grayscale": "ToThreeChannels",
    "Pad": "PadTo",
    "TenCrop": "ten_crop",
    "TensorDataset": "ArrayDataset",
    "random_split": "hold_out",
    # Keras
    "RandomFlip": "RandomHorizontalFlip",
    "Resizing": "Resize",
    "ZeroPadding2D": "PadTo",
}
FLOATS = (
    "data sets hold arrays (N, C, H, W), and a DataLoader yields float32. For means of images in "
    "0..1: data.Normalize(mean, std, scale=255)."
)
YOUR_OWN = "write it as a class that inherits from data.Transform, with sample and apply."
NOT_HERE = {
    "ToTensor": FLOATS,
    "ToDtype": FLOATS,
    "ToImage": FLOATS,
    "ConvertImageDtype": FLOATS,
    "Rescaling": "data.Normalize(0, 255) divides bytes by 255.",
    "Lambda": "pass the function itself; it gets a batch (N, C, H, W).",
    "RandomTranslation": "data.RandomCrop(size, padding=p) moves images by up to p pixels.",
    "ColorJitter": YOUR_OWN,
    "RandomErasing": YOUR_OWN,
    "RandomResizedCrop": YOUR_OWN,
    "RandomRotation": YOUR_OWN,
    "RandomVerticalFlip": YOUR_OWN,
}


def missing(module: str, name: str) -> AttributeError:
    """Return the error for a name that a module does not have, with the name to use instead."""
    if name in RENAMED:
        return AttributeError(f"{module}: {name} is called {RENAMED[name]} here")
    if name in NOT_HERE:
        return AttributeError(f"{module}: there is no {name}; {NOT_HERE[name]}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
