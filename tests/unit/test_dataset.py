"""Folders of images: what is found, what is left out, and how it is split."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.training import dataset as dataset_module
from edgekit.training.dataset import Dataset, describe_skipped, load_dataset, split_dataset
from edgekit.training.folder import scan_folder
from edgekit.training.images import UnreadableImage, read_image


def write_images(folder: Path, count: int, size: tuple[int, int] = (10, 8), value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("L", size, value + number).save(folder / f"{number:03d}.png")


@pytest.fixture
def two_classes(tmp_path: Path) -> Path:
    write_images(tmp_path / "cat", 7)
    write_images(tmp_path / "dog", 9, value=100)
    return tmp_path


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )


# --- scanning ---


def test_classes_are_the_subfolders_sorted_as_text(tmp_path: Path) -> None:
    for name in ("10", "2", "1"):
        write_images(tmp_path / name, 2)
    folder = scan_folder(tmp_path)
    assert folder.labels == ("1", "10", "2")
    assert folder.counts() == {"1": 2, "10": 2, "2": 2}
    assert [label for _, label in folder.files] == [0, 0, 1, 1, 2, 2]


def test_hidden_and_foreign_files_are_ignored(two_classes: Path) -> None:
    write_images(two_classes / ".thumbnails", 3)
    (two_classes / "cat" / "._000.png").write_bytes(b"resource fork")
    (two_classes / "cat" / "notes.txt").write_text("x")
    (two_classes / "README.md").write_text("x")
    assert scan_folder(two_classes).counts() == {"cat": 7, "dog": 9}


def test_images_in_nested_folders_belong_to_the_class(two_classes: Path) -> None:
    write_images(two_classes / "cat" / "indoors" / "night", 4)
    assert scan_folder(two_classes).counts()["cat"] == 11


def test_upper_case_suffixes_count(two_classes: Path) -> None:
    Image.new("RGB", (4, 4)).save(two_classes / "cat" / "PHOTO.JPG")
    assert scan_folder(two_classes).counts()["cat"] == 8


def test_symbolic_link_loops_end(two_classes: Path) -> None:
    (two_classes / "cat" / "loop").symlink_to(two_classes / "cat", target_is_directory=True)
    (two_classes / "dog" / "up").symlink_to(two_classes, target_is_directory=True)
    (two_classes / "self").symlink_to(two_classes, target_is_directory=True)
    (two_classes / "cat" / "gone.png").symlink_to("/nowhere.png")
    assert scan_folder(two_classes).counts() == {"cat": 7, "dog": 9}


def test_a_linked_class_folder_is_followed(
    two_classes: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_images(elsewhere, 6)
    (two_classes / "fox").symlink_to(elsewhere, target_is_directory=True)
    assert scan_folder(two_classes).counts()["fox"] == 6


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        scan_folder(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        scan_folder(tmp_path / "x.png")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(InputError, match="no JPEG or PNG"):
        scan_folder(tmp_path)


def test_images_without_class_folders_are_explained(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    with pytest.raises(InputError, match="3 images but no class folders"):
        scan_folder(tmp_path)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write_images(tmp_path / "cat", 3)
    with pytest.raises(InputError, match="only one class, 'cat'") as caught:
        scan_folder(tmp_path)
    assert "folder of images that show something else" in caught.value.hint


def test_an_empty_class_folder_is_named(two_classes: Path) -> None:
    (two_classes / "fox").mkdir()
    with pytest.raises(InputError, match="fox has no JPEG or PNG"):
        scan_folder(two_classes)


# --- decoding ---


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    path = tmp_path / "turned.png"
    Image.fromarray(pixels).save(path, exif=exif)
    upright = read_image(path, 8, 8, 3)
    assert upright[:, 4:].min() == 255
    assert upright[:, :4].max() == 0


def test_the_centre_is_kept_and_not_distorted(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png", 5, 5, 1)[:, 1:-1].min() == 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_png_mode_decodes(tmp_path: Path, mode: str, channels: int) -> None:
    Image.new(mode, (9, 9)).save(tmp_path / "x.png")
    pixels = read_image(tmp_path / "x.png", 4, 6, channels)
    assert pixels.shape == (4, 6, channels)
    assert pixels.dtype == np.uint8


def test_sixteen_bit_grayscale_keeps_its_upper_byte(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    assert set(read_image(tmp_path / "deep.png", 4, 4, 1).ravel()) == {0x80}


def test_colour_order_is_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / "c.png")
    assert read_image(tmp_path / "c.png", 2, 2, 3)[0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a JPEG or PNG"),
        (b"hello", "not a JPEG or PNG"),
        (b"GIF89a" + bytes(100), "not a JPEG or PNG"),
        (png_claiming(40_000, 40_000), "too many"),
        (png_claiming(12_000, 12_000), "12000 x 12000 pixels are too many"),
        (png_claiming(100, 100), ".+"),
    ],
)
def test_an_unusable_image_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        read_image(path, 8, 8, 3)


def test_a_truncated_jpeg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UnreadableImage):
        read_image(path, 32, 32, 3)


# --- loading ---


def test_a_corrupt_image_among_good_ones_is_skipped_and_named(two_classes: Path) -> None:
    (two_classes / "cat" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    data = load_dataset(scan_folder(two_classes), 8, 8, 1)
    assert data.images.shape == (16, 8, 8, 1)
    assert [item.path.name for item in data.skipped] == ["bad.jpg"]
    assert np.bincount(data.labels).tolist() == [7, 9]
    assert data.images[:7].max() < 100 <= data.images[7:].min()


def test_a_class_of_corrupt_images_is_an_error(two_classes: Path) -> None:
    for path in (two_classes / "cat").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="class 'cat'") as caught:
        load_dataset(scan_folder(two_classes), 8, 8, 1)
    assert caught.value.details[-1] == "... and 2 more"


def test_only_corrupt_images_are_an_error(two_classes: Path) -> None:
    for path in two_classes.glob("*/*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="None of the 16 images"):
        load_dataset(scan_folder(two_classes), 8, 8, 1)


def test_progress_counts_every_file(two_classes: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_dataset(scan_folder(two_classes), 8, 8, 1, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 16) for n in range(1, 17)]


def test_large_sets_are_mapped_from_a_file_with_the_same_content(
    two_classes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (two_classes / "dog" / "000.png").write_bytes(b"broken")
    folder = scan_folder(two_classes)
    small = load_dataset(folder, 8, 8, 3)
    monkeypatch.setattr(dataset_module, "IN_MEMORY_BYTES", 100)
    large = load_dataset(folder, 8, 8, 3)
    assert isinstance(large.images, np.memmap)
    assert np.array_equal(small.images, large.images)
    assert np.array_equal(small.labels, large.labels)
    assert small.skipped == large.skipped


def test_skipped_files_are_summed_up() -> None:
    items = [dataset_module.Skipped(Path(f"{n}.png"), "damaged") for n in range(8)]
    lines = describe_skipped(items, limit=3)
    assert lines == ["0.png: damaged", "1.png: damaged", "2.png: damaged", "... and 5 more"]


# --- splitting ---


def labelled(counts: list[int]) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    return Dataset(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, tuple("abcdefgh"[: len(counts)]))


def test_the_split_is_disjoint_complete_and_even() -> None:
    data = labelled([100, 40, 5])
    split = split_dataset(data, seed=1)
    parts = (split.train, split.validation, split.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(145))
    assert [np.bincount(data.labels[part]).tolist() for part in parts] == [
        [70, 28, 3],
        [15, 6, 1],
        [15, 6, 1],
    ]
    assert split.sizes == {"train": 101, "validation": 22, "test": 22}


def test_the_seed_decides_the_split() -> None:
    data = labelled([30, 30])
    assert np.array_equal(split_dataset(data, 3).test, split_dataset(data, 3).test)
    assert not np.array_equal(split_dataset(data, 3).test, split_dataset(data, 4).test)


def test_a_class_too_small_to_split_is_named_with_the_minimum() -> None:
    with pytest.raises(InputError, match="'b' has 4 usable images; training needs 5"):
        split_dataset(labelled([30, 4]), 0)
