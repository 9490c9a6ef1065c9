"""Face detector BlazeFace (Bazarevsky et al. 2019), run by ONNX Runtime.

The steps around the network are those of MediaPipe's face detection graph: letterbox to 128x128,
boxes relative to a fixed grid of anchors, and overlapping boxes blended by score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmer.models.blazeface import SIDE, BlazeFace
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector, load_cv2

_GRIDS = ((16, 2), (8, 6))  # cells a side, anchors a cell
_CLOSER = 2.5  # side of the second look's square, in sides of the box
_SAME_FACE = 0.3  # intersection over union from which two boxes are one face


class BlazeFaceDetector(FaceDetector):
    """BlazeFace short range: faces up to about 2 m from a webcam.

    The network runs on the whole image, and once more on the surroundings of each face. A single
    face is searched for only around its last place, which is half the work; where it is not found
    there, the whole image is searched again.

    ``network`` may be shared with other detectors; by default it is loaded. Faces scored below
    ``min_score`` are not reported. Raises MmerError when the network or OpenCV cannot be loaded.
    For one thread at a time.
    """

    name = "blazeface"

    def __init__(self, network: BlazeFace | None = None, min_score: float = 0.5) -> None:
        load_cv2()
        self._network = BlazeFace.load() if network is None else network
        self._min_score = min_score
        self._centres = _anchor_centres()
        self._last: DetectedFace | None = None  # the only face of the last image
        self._squares = 0  # searched one by one where everywhere is to be looked

    def detect(self, image: NDArray[np.uint8], t: float) -> list[DetectedFace]:
        if self._last is not None:
            self._last = self._look_closer(image, self._last)
            if self._last is not None:
                return [self._last]
        looked = self._look(image)
        if self._squares:
            looked += [f for f in self._look_in_square(image) if not _is_among(f, looked)]
        faces = [self._look_closer(image, face) or face for face in looked]
        self._last = faces[0] if len(faces) == 1 else None
        return faces

    def _look_in_square(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces in one of three squares along the image, another one each time.

        The network's input is a square: of a wide image a face has more pixels there.
        """
        height, width = image.shape[:2]
        side = min(height, width)
        if max(height, width) < 1.2 * side:
            return []
        share = (self._squares % 3) / 2
        x, y = round(share * (width - side)), round(share * (height - side))
        corner = np.array([x, y])
        found = self._look(np.ascontiguousarray(image[y : y + side, x : x + side]))
        return [_moved(face, corner) for face in found]

    def _look(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces of the network on the whole image, as MediaPipe's detector reports them."""
        square, scale, margin = _letterbox(image)
        scores, raw = self._network.run(square)
        sure = np.flatnonzero(scores >= self._min_score)
        # shape (n, 8, 2): centre and size of the box, then six points, in pixels of the square
        found = raw[sure].reshape(-1, 8, 2)
        found[:, [0, 2, 3, 4, 5, 6, 7]] += self._centres[sure, None]
        corners = np.stack([found[:, 0] - found[:, 1] / 2, found[:, 0] + found[:, 1] / 2], axis=1)
        found[:, :2] = corners
        blended = _blend(found, scores[sure])
        return [_face((points - margin) / scale, score) for points, score in blended]

    def _look_closer(self, image: NDArray[np.uint8], face: DetectedFace) -> DetectedFace | None:
        """``face`` found again at a higher resolution, with better eyes; None where it is not.

        Of a whole image of 640 pixels the network gets one pixel in five. None as well where the
        surroundings are most of the image: that would be no closer.
        """
        x, y, w, h = face.box
        half = _CLOSER * max(w, h) / 2
        low = np.round([max(0.0, x + w / 2 - half), max(0.0, y + h / 2 - half)]).astype(int)
        high = np.round([x + w / 2 + half, y + h / 2 + half]).astype(int)
        part = image[low[1] : high[1], low[0] : high[0]]
        if part.size == 0 or max(part.shape) > 0.8 * max(image.shape):
            return None
        middle = np.array([x + w / 2, y + h / 2]) - low
        near = [
            f
            for f in self._look(part)
            if f.box[0] < middle[0] < f.box[0] + f.box[2]
            and f.box[1] < middle[1] < f.box[1] + f.box[3]
        ]
        if not near:
            return None
        best = max(near, key=lambda f: f.score)
        return _moved(best, low)

    def look_everywhere(self) -> None:
        self._last = None
        self._squares += 1

    def find_again(self, image: NDArray[np.uint8], face: DetectedFace) -> DetectedFace | None:
        return self._look_closer(image, face)

    def reset(self) -> None:
        self._last = None
        self._squares = 0


def _anchor_centres() -> NDArray[np.float64]:
    """Centres of the anchors in the square, (896, 2) x, y: the middles of the cells, row by row."""
    grids = []
    for cells, each in _GRIDS:
        y, x = np.divmod(np.arange(cells * cells), cells)
        middles = (np.stack([x, y], axis=1) + 0.5) * SIDE / cells
        grids.append(np.repeat(middles, each, axis=0))
    return np.concatenate(grids)


def _letterbox(
    image: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], float, NDArray[np.float64]]:
    """The image centred in a black 128x128 square, its scale there and its margin (x, y)."""
    import cv2

    height, width = image.shape[:2]
    # first by a whole number, which is ten times as fast; what does not go into it is cut off
    step = max(1, min(max(height, width) // SIDE, height, width))
    height, width = height - height % step, width - width % step
    small = cv2.resize(
        image[:height, :width], (width // step, height // step), interpolation=cv2.INTER_AREA
    )
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = cv2.resize(
        small, size, interpolation=cv2.INTER_LINEAR
    )
    return square, scale, np.array([left, top], float)


def _moved(face: DetectedFace, by: NDArray[np.int_]) -> DetectedFace:
    """A face of a part of an image, in the image: ``by`` is the part's corner, x, y."""
    return DetectedFace(
        box=(face.box[0] + by[0], face.box[1] + by[1], face.box[2], face.box[3]),
        eyes=face.eyes + by.astype(np.float32),
        nose=None if face.nose is None else (face.nose[0] + by[0], face.nose[1] + by[1]),
        score=face.score,
    )


def _is_among(face: DetectedFace, others: list[DetectedFace]) -> bool:
    """Whether the middle of ``face`` lies in one of the others."""
    x, y, w, h = face.box
    x, y = x + w / 2, y + h / 2
    boxes = (other.box for other in others)
    return any(bx < x < bx + bw and by < y < by + bh for bx, by, bw, bh in boxes)


def _blend(
    found: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], float]]:
    """One face per cluster of overlapping ones: their mean weighted by score, and the best score.

    ``found`` is (n, 8, 2) with the corners of the box first.
    """
    left = np.argsort(-scores, kind="stable")
    faces = []
    while len(left):
        best = left[0]
        low = np.maximum(found[best, 0], found[left, 0])
        high = np.minimum(found[best, 1], found[left, 1])
        both = np.prod((high - low).clip(0), axis=1)
        area = np.prod(found[left, 1] - found[left, 0], axis=1)
        same = both / (area + area[0] - both) >= _SAME_FACE
        same[0] = True  # even if the network gave it no area
        heap = left[same]
        faces.append((np.average(found[heap], axis=0, weights=scores[heap]), float(scores[best])))
        left = left[~same]
    return faces


def _face(points: NDArray[np.float64], score: float) -> DetectedFace:
    """``points`` (8, 2) in the image, its edge at 0: corners, eyes, nose, mouth, ears."""
    (x0, y0), (x1, y1) = points[:2]
    eyes = points[2:4] - 0.5
    return DetectedFace(
        box=(float(x0), float(y0), float(x1 - x0), float(y1 - y0)),
        eyes=eyes[np.argsort(eyes[:, 0], kind="stable")].astype(np.float32),
        nose=(float(points[4, 0] - 0.5), float(points[4, 1] - 0.5)),
        score=score,
    )
