"""XMP packets: what a picture brings, made true for a result, and one that says whose it is.

Source of names and forms: ISO 16684-1 and Adobe's XMP specification, parts 1 and 2.
"""

from __future__ import annotations

import re
from xml.dom import minidom
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

from PIL import Image

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
# Thumbnails show the source, and the rest of a long packet lies in segments of the source's file.
_DROPPED = frozenset(
    (("http://ns.adobe.com/xap/1.0/", "Thumbnails"), ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"))
)
_HEAD, _FOOT = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
_PARSED = 1 << 20
_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DESCRIPTION = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/">'
    "%s</rdf:Description></rdf:RDF></x:xmpmeta>"
)
_TEXT = '<%s><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></%s>'


def packet_of(image: Image.Image) -> bytes | None:
    """The XMP packet of an opened picture, as it is; None where it has none.

    Args:
        image: a JPEG, WebP or TIFF, or a PNG that was loaded, because its packet may stand behind the pixels.
    """
    found = image.info.get("xmp", image.info.get("XML:com.adobe.xmp"))
    packet = found.encode() if isinstance(found, str) else found
    return packet.strip(b"\0 \t\r\n") if isinstance(packet, bytes) and packet.strip(b"\0 \t\r\n") else None


def upright_packet(packet: bytes) -> bytes | None:
    """A packet for the upright picture: ``tiff:Orientation`` is 1 where it stood, as attribute or as element.

    What speaks of the source's file alone is left behind: thumbnails, and the pointer to the rest of a long packet;
    so is the blank room that packets end with.

    Args:
        packet: XML in UTF-8.

    Returns:
        The packet, or None where it is damaged: no XML, none that holds RDF, one with a document type, which XMP does
        not have, or one of more than a megabyte.
    """
    try:
        text = packet.decode()
        if len(packet) > _PARSED or "<!DOCTYPE" in text:
            return None
        document = minidom.parseString(packet)
        root = document.documentElement
        if root is None or not _is_rdf(root):
            return None
        for element in (root, *root.getElementsByTagName("*")):
            _correct(document, element)
        return f"{_HEAD}{root.toxml()}{_FOOT}".encode()
    # Elements inside of each other by the thousand end in a RecursionError, unknown encodings in a LookupError.
    except (ExpatError, ValueError, LookupError, RecursionError):
        return None


def rights_packet(rights: str | None, comment: str | None) -> bytes | None:
    """A fresh packet with ``dc:rights`` and ``exif:UserComment``; None where there is neither.

    Args:
        rights: the copyright, any text; characters that XML does not know are left out.
        comment: the comment, likewise.
    """
    named = (("dc:rights", rights), ("exif:UserComment", comment))
    told = [_TEXT % (name, escape(_NO_XML.sub("", text)), name) for name, text in named if text is not None]
    return f"{_HEAD}{_DESCRIPTION % ''.join(told)}{_FOOT}".encode() if told else None


def _is_rdf(root: minidom.Element) -> bool:
    return (root.namespaceURI, root.localName) == (_RDF, "RDF") or bool(root.getElementsByTagNameNS(_RDF, "RDF"))


def _correct(document: minidom.Document, element: minidom.Element) -> None:
    for attribute in list(element.attributes.values()):
        name = (attribute.namespaceURI, attribute.localName)
        if name == (_TIFF, "Orientation"):
            attribute.value = "1"
        elif name in _DROPPED:
            element.removeAttributeNode(attribute)
    name = (element.namespaceURI, element.localName)
    if name == (_TIFF, "Orientation"):
        for child in list(element.childNodes):
            element.removeChild(child)
        element.appendChild(document.createTextNode("1"))
    elif name in _DROPPED and element.parentNode is not None:
        element.parentNode.removeChild(element)
