"""What stands on the page, and which button does what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from iclight_local.errors import ICLightError
from iclight_local.light.lamp import ANGLES
from iclight_local.ui.asking import LAMP, PAINTED, PAINTED_SIZE, REFERENCE, Asking, Fields, Told
from iclight_local.ui.knobs import ADVANCED, KEEPING, KNOBS, SIZE, component, restored
from iclight_local.ui.matting import ADD, REMOVE
from iclight_local.ui.quick import DIRECTIONS, LOOKS, SHEET_LIGHTS
from iclight_local.ui.uploads import Uploads

_LAYERS = 8
_LIGHT_BRUSH = ["#ffffff", "#ffd9a0", "#ff9040", "#ff4060", "#60a0ff", "#a0d8ff", "#808080", "#000000"]
_NO_CUT: Mapping[str, str] = {}
"""What the hidden field of the cut-out holds before there is one; it lies in the browser, and no session has to."""


@dataclass(frozen=True)
class Facts:
    """What the page says of this machine.

    Attributes:
        engine: what relights, in one line of Markdown.
        providers: who could be sent pictures, and whether anything leaves now; Markdown.
        starts: values that fields begin with in place of the declared defaults.
    """

    engine: str
    providers: str
    starts: Mapping[str, Any]


def _picture(**how: Any) -> gr.Image:
    """A picture as its file: nothing of it is decoded, so that its metadata stays and this package's sentences hold."""
    found = gr.Image(type="filepath", image_mode=None, **how)
    # No class of its own: Gradio writes a stub beside the file of each.
    found.preprocess = _path_of  # type: ignore[method-assign]
    return found


def _path_of(payload: Any) -> str | None:
    return None if payload is None else payload.path


def _painting(**how: Any) -> gr.ImageEditor:
    """An editor of which the strokes alone are taken, as files: none is decoded before its size was looked at."""
    found = gr.ImageEditor(sources=[], transforms=None, layers=False, height=420, buttons=[], **how)
    found.preprocess = _layers_of  # type: ignore[method-assign,assignment]
    return found


def _layers_of(payload: Any) -> list[str]:
    """The files of the layers, the lowest first."""
    return [] if payload is None else [layer.path for layer in payload.layers[:_LAYERS]]


class Page:
    """The whole page.

    Args:
        asking: does what its buttons say.
        uploads: keeps pictures for the browser.
        facts: about this machine.
    """

    def __init__(self, asking: Asking, uploads: Uploads, facts: Facts) -> None:
        self._asking, self._uploads, self._facts = asking, uploads, facts
        self._knobs: dict[str, Any] = {}
        with gr.Blocks(title="iclight-local", analytics_enabled=False, delete_cache=(600, 86_400)) as self.blocks:
            gr.Markdown(f"# Relight\n{facts.engine}")
            with gr.Tab("Relight"), gr.Row():
                with gr.Column(scale=5, min_width=320):
                    self._draw_subject()
                    self._draw_light()
                    self._draw_rest()
                with gr.Column(scale=6, min_width=320, elem_id="seeing"):
                    relight = gr.Button("Relight", variant="primary", size="lg", elem_id="relight")
                    gr.HTML(_element("result", "relight", "The result comes here, before and after under one slider."))
            with gr.Tab("Contact sheet"):
                self._draw_sheet()
            with gr.Tab("Normals"):
                gr.Markdown("The normal map of the first tab's picture, from four lights (model fbc).")
                normals = gr.Button("Estimate the normals", variant="primary")
                gr.HTML(_element("result", "normals", "The normal map comes here."))
            with gr.Tab("Jobs"):
                gr.Markdown("What this browser asked for, as long as the server keeps it.")
                gr.HTML("<iclight-jobs></iclight-jobs>")
            with gr.Tab("Providers"):
                gr.Markdown(facts.providers, elem_id="providers")
            self._following(relight, "relight", asking.relight)
            self._following(normals, "normals", asking.normals)

    def _draw_subject(self) -> None:
        """The picture, its cut-out, and what it shall be."""
        self._subject = _picture(
            label="Picture", sources=["upload", "webcam", "clipboard"], height=300,
            buttons=[], elem_id="subject", placeholder="Drop a photograph here\nor a result, to have its settings back",
        )  # fmt: skip
        self._address = gr.Textbox(label="or its address", placeholder="https://…", max_lines=1, elem_id="address")
        self._note = gr.Markdown(visible=False, elem_id="note")
        with gr.Accordion("Cut-out", open=False):
            gr.Markdown(
                "What is tinted is cut away. Paint **green** what belongs to the subject, **red** what does not."
            )
            show = gr.Button("Show the cut-out")
            self._editor = _painting(
                label="Cut-out",
                brush=gr.Brush(default_size=24, colors=[ADD, REMOVE], default_color=ADD, color_mode="fixed"),
                elem_id="matte",
            )  # fmt: skip
        self._cut = gr.JSON(dict(_NO_CUT), visible="hidden")
        look = gr.Dropdown(["", *LOOKS], value="", label="Look", info="A prompt and a light to begin with.")
        self._knobs["prompt"] = gr.Textbox(
            label="prompt", info=KNOBS["prompt"].description, lines=2, elem_id="prompt",
            value=self._facts.starts.get("prompt", ""),
        )  # fmt: skip
        show.click(
            self._show_cut_out, self._subject, [self._editor, self._cut, self._note], queue=False,
            api_visibility="private",
        )  # fmt: skip
        self._look = look

    def _draw_light(self) -> None:
        """The light, in each of its forms."""
        self._light_from = gr.Radio([LAMP, PAINTED, REFERENCE], value=LAMP, label="The light comes from")
        with gr.Column() as lamp:
            words = json.dumps(ANGLES).replace('"', "&quot;")
            gr.HTML(f'<iclight-lamp data-words="{words}"></iclight-lamp>')
            self._knobs["light"] = gr.Textbox(
                label="light", info=KNOBS["light"].description, elem_id="light", max_lines=1,
                value=self._facts.starts.get("light", ""),
            )  # fmt: skip
        with gr.Column(visible=False) as painted:
            gr.Markdown("Paint where the light comes from, on black.")
            self._paint = _painting(
                label="Light map", elem_id="paint",
                value={"background": Image.new("RGB", PAINTED_SIZE), "layers": [], "composite": None},
                brush=gr.Brush(default_size=60, colors=[*_LIGHT_BRUSH], default_color="#ffffff"),
            )  # fmt: skip
        with gr.Column(visible=False) as reference:
            self._reference = _picture(label="light reference", sources=["upload", "clipboard"], height=200)
        places = {LAMP: lamp, PAINTED: painted, REFERENCE: reference}
        self._light_from.change(
            lambda chosen: [gr.Column(visible=name == chosen) for name in places], self._light_from, [*places.values()],
            queue=False, api_visibility="private",
        )  # fmt: skip
        prompt, light = self._knobs["prompt"], self._knobs["light"]
        self._look.input(_look, self._look, [prompt, light], queue=False, api_visibility="private").then(
            None, js=_ADOPT
        )

    def _draw_rest(self) -> None:
        """All other knobs, folded away, and the way back from a result."""
        with gr.Accordion("Background and what is kept", open=False):
            self._background = _picture(label="background", sources=["upload", "clipboard"], height=200)
            self._draw_knobs(KEEPING)
        with gr.Accordion("Size and number", open=False):
            self._draw_knobs(SIZE)
        with gr.Accordion("Advanced", open=False):
            self._draw_knobs(ADVANCED)
        back = gr.UploadButton("Settings of a result…", file_types=["image"], size="sm", elem_id="restore")
        # Gradio's own looks at the file's name, which it has not kept.
        back.preprocess = _path_of  # type: ignore[method-assign]
        outputs = [self._note, self._light_from, *self._knobs.values()]
        for event, source in ((back.upload, back), (self._subject.upload, self._subject)):
            event(
                self._restorer(always=source is back), source, outputs, queue=False, api_visibility="private"
            ).then(None, js=_ADOPT)  # fmt: skip

    def _draw_knobs(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._knobs[name] = component(name, self._facts.starts.get(name))

    def _draw_sheet(self) -> None:
        """Many lights at once."""
        gr.Markdown("The first tab's picture and settings under many lights, all with one seed.")
        words = gr.CheckboxGroup([*DIRECTIONS], value=[*SHEET_LIGHTS], label="Lights")
        more = gr.Textbox(label="and these", placeholder="left 2700K, back spotlight 1.4", max_lines=1)
        button = gr.Button("Relight them all", variant="primary")
        gr.HTML(_element("sheet", "sheet", "The pictures come here, one after another."))
        self._following(button, "sheet", self._asking.sheet, words, more)

    def _following(self, button: gr.Button, name: str, work: Callable[..., Told], *more: Any) -> None:
        """Have a button ask for jobs, and the element of that name follow them."""
        told = gr.JSON(visible="hidden")
        names, pictures = [*self._knobs], self._pictures

        def asked(request: gr.Request, *values: Any) -> Told:
            asked_more, found = values[: len(more)], values[len(more) :]
            subject, address, light_from, paint, reference, background, cut, editor = found[: len(pictures)]
            cut = cut if isinstance(cut, dict) else _NO_CUT
            fields = Fields(
                subject, "" if address is None else address, light_from, paint, reference, background,
                cut, editor, dict(zip(names, found[len(pictures) :], strict=True)),
            )  # fmt: skip
            return work(_owner(request), fields, *asked_more)

        button.click(
            asked, [*more, *pictures, *self._knobs.values()], told, queue=False, api_visibility="private"
        ).then(None, told, js=f"(told) => window.iclight.follow({json.dumps(name)}, told)")  # fmt: skip

    @property
    def _pictures(self) -> list[Any]:
        return [
            self._subject, self._address, self._light_from, self._paint, self._reference, self._background, self._cut,
            self._editor,
        ]  # fmt: skip

    async def _show_cut_out(self, subject: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        owner, call = _owner(request), request.request
        # None only in a request that another process was handed.
        assert call is not None
        try:
            picture, cut = await self._asking.cut_out(owner, subject, call)
            file = await asyncio.to_thread(self._uploads.keep, owner, "cut-out.jpg", picture)
        except ICLightError as error:
            return gr.skip(), _NO_CUT, gr.Markdown(str(error), visible=True)
        return {"background": str(file), "layers": [], "composite": None}, cut, gr.Markdown(visible=False)

    def _restorer(self, *, always: bool) -> Callable[[str], list[Any]]:
        """What puts a result's settings into the fields.

        Args:
            always: whether a picture without a record is refused; one that is to be relit need not have one.
        """
        names = [*self._knobs]

        def restore(picture: str) -> list[Any]:
            try:
                values = restored(names, self._asking.restored(picture))
            except ICLightError as error:
                note = gr.Markdown(str(error), visible=True) if always else gr.Markdown(visible=False)
                return [note, *(gr.skip() for _ in range(len(names) + 1))]
            said = "The settings of this result are in the fields. To make it again, put in the picture it was made of."
            return [gr.Markdown(said, visible=True), LAMP, *values]

        return restore


def _owner(request: gr.Request) -> str:
    """Whose jobs the browser of a call sees."""
    owner: str = request.state.owner
    return owner


_ADOPT = "() => window.iclight.adopt()"


def _element(kind: str, name: str, empty: str) -> str:
    return f'<iclight-{kind} data-name="{name}" data-empty="{empty}"></iclight-{kind}>'


def _look(name: str) -> tuple[Any, Any]:
    """The prompt and the light of a look."""
    look = LOOKS.get(name)
    return (gr.skip(), gr.skip()) if look is None else (look["prompt"], look["light"])
