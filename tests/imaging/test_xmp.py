"""XMP packets: true for the upright result, whole or not there, and never more than text where text is told."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image, PngImagePlugin

from iclight_local.imaging.xmp import packet_of, rights_packet, upright_packet

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF = "http://ns.adobe.com/tiff/1.0/"


def wrapped(inside: str, attributes: str = "", room: int = 2000) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Tool 1">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" xmlns:tiff="{TIFF}" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"{attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
        f"{' ' * room}<?xpacket end='w'?>"
    ).encode()


def upright(packet: bytes) -> str:
    found = upright_packet(packet)
    assert found is not None
    ElementTree.fromstring(found)
    return found.decode()


@pytest.mark.parametrize(
    ("inside", "attributes", "expected"),
    [
        ("", ' tiff:Orientation="6" tiff:Make="A"', 'tiff:Orientation="1" tiff:Make="A"'),
        ("", " tiff:Orientation='8'", 'tiff:Orientation="1"'),
        ("<tiff:Orientation>6</tiff:Orientation>", "", "<tiff:Orientation>1</tiff:Orientation>"),
        ("<tiff:Orientation><!-- 3 --> 3 <b/></tiff:Orientation>", "", "<tiff:Orientation>1</tiff:Orientation>"),
        (f'<t:Orientation xmlns:t="{TIFF}">6</t:Orientation>', "", ">1</t:Orientation>"),
        ('<a xmlns:tiff="urn:b"><tiff:Orientation>6</tiff:Orientation></a>', "", "<tiff:Orientation>6</tiff:Orient"),
        ("<dc:rights>ü 日 &lt;x&gt; &amp;</dc:rights>", "", "<dc:rights>ü 日 &lt;x&gt; &amp;</dc:rights>"),
    ],
)
def test_the_picture_stands_upright(inside: str, attributes: str, expected: str) -> None:
    found = upright(wrapped(inside, attributes))
    assert expected in found
    assert 'x:xmptk="Tool 1"' in found
    assert found.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta')
    assert found.endswith('</x:xmpmeta><?xpacket end="w"?>')


def test_what_speaks_of_the_source_s_file_alone_is_left_behind() -> None:
    inside = "<xmp:Thumbnails><rdf:Alt><rdf:li>secret</rdf:li></rdf:Alt></xmp:Thumbnails><xmp:Rating>3</xmp:Rating>"
    found = upright(wrapped(inside, ' xmpNote:HasExtendedXMP="0123"'))
    assert "secret" not in found and "HasExtendedXMP" not in found and "<xmp:Rating>3</xmp:Rating>" in found


def test_without_its_envelope_and_with_a_mark_it_is_a_packet_too() -> None:
    bare = f'\ufeff<rdf:RDF xmlns:rdf="{RDF}"/>'.encode()
    assert "<rdf:RDF" in upright(bare)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no xml",
        b"<x:xmpmeta>",
        b"<html/>",
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        wrapped("").partition(b"</rdf:RDF>")[0],
        wrapped("<unbound:a/>"),
        wrapped("\xff").replace(b"\xc3\xbf", b"\xff"),
        wrapped("").decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="nope"?><a/>',
        b'<?xml version="1.0" encoding="hex"?><a/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + f'<rdf:RDF xmlns:rdf="{RDF}">&b;</rdf:RDF>'.encode(),
        wrapped("<a>" * 5000 + "</a>" * 5000),
        wrapped("", room=1 << 20),
    ],
    ids=range(14),
)
def test_a_damaged_packet_is_none(packet: bytes) -> None:
    assert upright_packet(packet) is None


@pytest.mark.parametrize(
    "text",
    ["A. Nonymous", "</rdf:li><x>", '"&amp;"]]>', "© Müller, 日本 \U0001f305", "line\nline\ttab", "x" * 100_000],
)
def test_rights_are_text_and_nothing_else(text: str) -> None:
    packet = rights_packet(text, None)
    assert packet is not None
    root = ElementTree.fromstring(packet)
    found = root.findall(f".//{{http://purl.org/dc/elements/1.1/}}rights/{{{RDF}}}Alt/{{{RDF}}}li")
    assert [(each.text, list(each), each.get("{http://www.w3.org/XML/1998/namespace}lang")) for each in found] == [
        (text, [], "x-default")
    ]
    assert b"UserComment" not in packet


def test_letters_that_xml_does_not_know_are_left_out() -> None:
    packet = rights_packet("a\0b\x0bc\ufffe\ud800d", "e\x1bf")
    assert packet is not None
    assert b">abcd<" in packet and b"<exif:UserComment>" in packet and b">ef<" in packet
    assert rights_packet(None, None) is None


def test_packets_where_each_kind_of_file_has_them() -> None:
    packet, chunks = wrapped("", room=0), PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    options = {"PNG": {"pnginfo": chunks}, "JPEG": {"xmp": packet + b"\n\0"}, "WEBP": {"xmp": packet}}
    for kind, how in options.items():
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, kind, **how)
        assert packet_of(Image.open(buffer)) == packet, kind
    assert packet_of(Image.new("RGB", (8, 8))) is None
