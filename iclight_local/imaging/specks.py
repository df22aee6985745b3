"""What a segmenter took for a part of the subject, far away from it and small."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from iclight_local.imaging.fit import FloatArray

SMALL = 0.01
"""Largest speck, relative to the area of the largest part of the subject."""
_SEEN = np.float32(0.02)
_SIDE = 1024
_AROUND = np.ones((3, 3), bool)


def without_specks(matte: FloatArray) -> FloatArray:
    """A matte without its specks: parts of which each covers at most :data:`SMALL` of what the largest one does.

    A speck is hardly seen where it is, but it belongs to the subject's box, and so would move and shrink the subject.

    Args:
        matte: float32 in 0..1, H x W; 1 is subject.

    Returns:
        The same array where there is none. Parts are told apart at 1024 pixels of the longer side, by 0.02 of opacity.
    """
    scale = -(-max(matte.shape) // _SIDE)
    # The largest value of each square, so that no thread is torn by looking at a smaller picture.
    small = ndimage.maximum_filter(matte, scale)[scale // 2 :: scale, scale // 2 :: scale] if scale > 1 else matte
    parts, count = ndimage.label(small > _SEEN, _AROUND)
    if count < 2:
        return matte
    areas = ndimage.sum_labels(small, parts, np.arange(1, count + 1))
    # What belongs to no part has the number 0.
    specks = np.concatenate([[False], areas <= SMALL * areas.max()])
    if not specks.any():
        return matte
    # Whatever is fainter around a speck goes with it.
    gone = ndimage.binary_dilation(specks[parts], _AROUND) & (specks[parts] | (parts == 0))
    high, wide = matte.shape
    large = Image.fromarray(gone).resize((gone.shape[1] * scale, gone.shape[0] * scale), Image.Resampling.NEAREST)
    # The last squares may be cut off by the picture's side, and are missing then.
    mask = np.pad(np.asarray(large), ((0, max(0, high - large.height)), (0, max(0, wide - large.width))), mode="edge")
    return np.where(mask[:high, :wide], np.float32(0), matte)
