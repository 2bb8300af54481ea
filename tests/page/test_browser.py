"""The page in Chromium: every control, by pointer, keyboard and touch; its pictures, link and speed."""

import re

import pytest
from chromium import Watched, browser

import madtheory as mad
from madtheory.page import write_page

pytestmark = pytest.mark.browser

NAMES = {
    "Model": "combobox", "Each generation is trained on": "combobox", "Treatment": "combobox",
    "Real points": "slider", "Synthetic points": "slider", "Generation": "slider",
    "Bias: variance of samples over the model's": "slider", "Quantity": "combobox", "Scale": "combobox",
    "Ask me first": "checkbox", "Link to these settings": "textbox",
    "New random numbers": "button", "Start over": "button", "Play": "button", "First generation": "button",
    "One generation back": "button", "One generation on": "button", "Copy the link": "button",
    "Save the picture": "button", "Copy the code": "button",
}  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "page.html").as_uri()


@pytest.fixture
def opened(chromium, address):
    """A function that opens the page with a hash; at the end nothing was complained about or asked for."""
    pages = []

    def visit(settings="", **options):
        watched = Watched(chromium, **{"viewport": {"width": 1100, "height": 900}, **options})
        pages.append(watched)
        watched.page.goto(address + settings)
        return watched.page

    yield visit
    for watched in pages:
        watched.close()
        assert watched.complaints == []
        assert watched.outside == []
        assert len([url for url in watched.requests if url.startswith("file:")]) == 1  # the page itself


def ink(page, canvas):
    """A digest of what a canvas shows, and how many of its pixels differ from the first."""
    return page.evaluate(
        """(id) => {
        const c = document.getElementById(id), copy = new OffscreenCanvas(c.width, c.height);
        const context = copy.getContext("2d", {willReadFrequently: true});
        context.drawImage(c, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, c.width, c.height).data.buffer);
        let hash = 0, inked = 0;
        for (const v of pixels) { hash = (Math.imul(hash, 31) + v) | 0; inked += v !== pixels[0]; }
        return [hash, inked]; }""",
        canvas,
    )


def show(page):
    """Skip the question and stand at generation 1, still."""
    page.get_by_role("button", name="I do not know").click()
    page.locator("#generation").fill("1")


def at_generation(page):
    return int(page.locator("#generation-shown").inner_text().split()[-1])


def test_every_control_has_a_name_and_a_role(opened):
    page = opened()
    show(page)
    for name, role in NAMES.items():
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    snapshot = page.locator("body").aria_snapshot()
    assert not re.search(r"(?:button|slider|combobox|textbox|checkbox)(?!\s+\")\b", snapshot), snapshot
    assert 'application "Map over numbers' in snapshot
    assert 'img "Line chart. Generation 1' in snapshot


def test_the_answer_is_covered_until_it_is_guessed(opened):
    page = opened()
    assert not page.locator("#revealed").is_visible()
    assert page.get_by_role("button", name="Save the picture").is_disabled()
    page.get_by_role("button", name="more than doubles").click()
    assert not page.locator("#question").is_visible()
    page.locator("#generation").fill("50")
    assert page.locator("#verdict").inner_text().startswith("Not as you expected. After 50 generations")
    page.get_by_label("Model", exact=True).select_option("plane")
    assert page.locator("#question").is_visible()
    page.get_by_label("Ask me first").uncheck()
    assert page.locator("#verdict").inner_text().startswith("After 50 generations")
    page.get_by_label("Real points", exact=True).press("ArrowLeft")
    assert page.locator("#revealed").is_visible()


def test_a_right_guess_is_told(opened):
    page = opened("#generator=line&regime=replace&real=5&synthetic=10&bias=0.8")
    page.get_by_role("button", name="falls below half").click()
    page.locator("#generation").fill("50")
    assert page.locator("#verdict").inner_text().startswith("As you expected.")


def test_steps_and_play(opened):
    page = opened()
    show(page)
    start = ink(page, "runs")
    page.get_by_role("button", name="One generation on").click()
    assert at_generation(page) == 2
    assert ink(page, "runs") != start
    page.get_by_role("button", name="One generation back").click()
    assert at_generation(page) == 1
    assert ink(page, "runs") == start
    page.locator("#generation").fill("47")
    page.get_by_role("button", name="Play").click()
    page.get_by_text("generation 50", exact=True).wait_for()
    page.get_by_role("button", name="Play").wait_for()
    assert "Generation 50: variance" in page.locator("#reading").inner_text()
    page.get_by_role("button", name="Play").click()  # from the start again
    page.get_by_role("button", name="Pause").click()
    assert at_generation(page) < 30


@pytest.mark.parametrize("generator", ["line", "plane", "tokens", "digits"])
def test_all_loops_are_drawn(opened, generator):
    """Regimes and treatments: pictures have ink and differ; sentences and code name what was chosen."""
    page = opened(f"#generator={generator}")
    page.get_by_label("Ask me first").uncheck()
    seen, codes = set(), set()
    for regime in ("replace", "augment", "accumulate", "fresh"):
        page.get_by_label("Each generation is trained on").select_option(regime)
        for treatment in ("none", "weights", "correct"):
            option = page.locator(f"#treatment option[value={treatment}]")
            if option.is_disabled():
                assert (regime, treatment) == ("replace", "weights")
                continue
            page.get_by_label("Treatment", exact=True).select_option(treatment)
            for canvas in ("runs", "model"):
                assert ink(page, canvas)[1] > 1000
            seen.add(ink(page, "runs")[0])
            codes.add(page.locator("#code").inner_text())
            assert f"mad.regimes.{regime}(" in page.locator("#code").inner_text()
    assert len(seen) == len(codes) == 11
    assert page.get_by_label("Bias: variance").is_disabled() == (generator == "tokens")


def test_quantity_scale_seed_and_bias_change_the_picture(opened):
    page = opened("#real=20&synthetic=20")
    show(page)
    page.locator("#generation").fill("50")
    seen = {ink(page, "runs")[0]}
    assert page.get_by_label("Scale", exact=True).input_value() == "log"  # which shows a collapse
    page.get_by_label("Scale", exact=True).select_option("linear")
    seen.add(ink(page, "runs")[0])
    page.get_by_label("Quantity", exact=True).select_option("error")
    seen.add(ink(page, "runs")[0])
    page.get_by_role("button", name="New random numbers").click()
    seen.add(ink(page, "runs")[0])
    page.get_by_label("Ask me first").uncheck()
    page.get_by_label("Bias: variance").press("Home")
    seen.add(ink(page, "runs")[0])
    assert len(seen) == 5
    assert page.locator("#bias-shown").inner_text() == "0.5"
    page.get_by_role("button", name="Start over").click()
    assert page.locator("#bias-shown").inner_text() == "1"


def test_the_point_moves_by_pointer_and_keys(opened):
    page = opened("#regime=fresh&bias=0.8&real=100&synthetic=100")
    show(page)
    before = ink(page, "map"), page.locator("#map-note").inner_text()
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator("#real-shown").inner_text() != "100"
    assert page.locator("#synthetic-shown").inner_text() != "100"
    assert (ink(page, "map"), page.locator("#map-note").inner_text()) != before
    assert page.locator("#map").evaluate("(map) => map === document.activeElement")
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 12)
    page.mouse.down()
    assert page.locator("#real-shown").inner_text() == "1000"
    assert page.locator("#synthetic-shown").inner_text() == "1000"
    page.mouse.move(box["x"] + 54, box["y"] + 12, steps=5)
    page.mouse.up()
    assert page.locator("#synthetic-shown").inner_text() == "5"


def test_the_link_keeps_the_settings(opened):
    page = opened()
    page.get_by_label("Model", exact=True).select_option("digits")
    page.get_by_label("Each generation is trained on").select_option("augment")
    page.get_by_label("Treatment", exact=True).select_option("weights")
    page.get_by_label("Synthetic points", exact=True).press("PageUp")
    page.get_by_label("Bias: variance").press("ArrowLeft")
    link = page.get_by_label("Link to these settings").input_value()
    assert link == page.url
    other = opened(link.partition("#")[1] + link.partition("#")[2])
    assert other.get_by_label("Link to these settings").input_value() == link
    assert other.locator("#code").inner_text() == page.locator("#code").inner_text()
    assert other.get_by_label("Treatment", exact=True).input_value() == "weights"
    other.evaluate("window.location.hash = '#generator=tokens'")
    other.get_by_text("Tokens have no bias").wait_for()


def test_link_and_code_are_copied(opened):
    page = opened("#regime=fresh", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the link").click()
    page.get_by_text("The link is copied.").wait_for()
    link = page.get_by_label("Link to these settings").input_value()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.get_by_role("button", name="Copy the code").click()
    page.get_by_text("The code is copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#code").inner_text()


def test_the_picture_is_saved(opened, tmp_path):
    from PIL import Image

    page = opened("#regime=fresh")
    show(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the picture").click()
    assert download.value.suggested_filename == "madtheory-line-fresh.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 100


def test_the_table_has_the_numbers_of_the_engine(opened):
    page = opened("#real=20&synthetic=20")
    show(page)
    page.get_by_text("The numbers as a table").click()
    rows = page.locator("#table tr")
    rows.nth(50).wait_for()
    assert rows.count() == 51
    assert rows.nth(0).locator("th").count() == 9
    last = [float(cell) for cell in rows.nth(50).locator("td").all_inner_texts()]
    assert last[:2] == [50, 1]
    law = mad.theory.gaussian.variance_law(generation=50, n=20)
    assert last[6:] == pytest.approx(law.ppf([0.05, 0.5, 0.95]), rel=5e-3)


def test_it_is_used_by_keyboard_alone(opened):
    """Tab reaches every control that shows, in the order of the page, and they act."""
    page = opened()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.guess"))
        if reached[-1] == "falls":
            break
    assert reached == [
        "generator", "regime", "treatment", "real", "synthetic", "bias", "again", "reset", "ask", "falls",
    ]  # fmt: skip
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "play"
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width(opened, width, scheme):
    """Nothing sticks out, buttons are large enough for a thumb, and a tap works."""
    page = opened(
        "#generator=digits&regime=augment", viewport={"width": width, "height": 740}, has_touch=True,
        color_scheme=scheme, device_scale_factor=2,
    )  # fmt: skip
    page.get_by_role("button", name="stays near it").tap()
    page.get_by_role("button", name="Pause").tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["height"], box["width"]) >= 38
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    for canvas in ("runs", "model", "map"):
        assert page.locator(f"#{canvas}").bounding_box()["width"] <= width
        assert ink(page, canvas)[1] > 1000


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_for_every_eye(opened, scheme):
    """Contrast of text (4.5) and of lines (3) with the paper; lines differ without red and green too."""
    page = opened(color_scheme=scheme)
    names = ["paper", "card", "ink", "faint", "runs", "theory", "law", "truth", "accent"]
    colours = page.evaluate(
        """(names) => {
        const style = getComputedStyle(document.documentElement);
        return names.map((name) => style.getPropertyValue("--" + name).trim()); }""",
        names,
    )
    colours = {
        name: "#" + "".join(2 * c for c in value[1:]) if len(value) == 4 else value
        for name, value in zip(names, colours, strict=True)
    }
    light = {name: luminance(value) for name, value in colours.items()}

    def contrast(one, other):
        high, low = max(light[one], light[other]), min(light[one], light[other])
        return (high + 0.05) / (low + 0.05)

    assert min(contrast(text, ground) for text in ("ink", "faint") for ground in ("paper", "card")) >= 4.5
    assert min(contrast(name, "paper") for name in ("runs", "theory", "law", "truth", "accent")) >= 3

    def blue_yellow(name):
        red, green, blue = (int(colours[name][i : i + 2], 16) for i in (1, 3, 5))
        return blue - (red + green) / 2

    assert abs(blue_yellow("runs") - blue_yellow("theory")) > 80
    assert abs(blue_yellow("runs") - blue_yellow("law")) > 80


def test_without_motion_play_still_works(opened):
    page = opened(reduced_motion="reduce")
    show(page)
    page.locator("#generation").fill("49")
    page.get_by_role("button", name="Play").click()
    page.get_by_text("generation 50", exact=True).wait_for()


def test_a_request_and_an_error_are_seen(chromium, tmp_path):
    """Negative control of what the other tests watch."""
    (tmp_path / "bad.html").write_text(
        "<script src='http://127.0.0.1:9/x.js'></script><script>nothing()</script>"
    )
    watched = Watched(chromium)
    watched.page.goto((tmp_path / "bad.html").as_uri())
    assert watched.outside == ["http://127.0.0.1:9/x.js"]
    assert any("nothing is not defined" in text for text in watched.complaints)
    watched.close()


def test_its_policy_stops_foreign_code(chromium, address):
    """A script that is added to the page does not run."""
    watched = Watched(chromium)
    watched.page.goto(address)
    blocked = watched.page.evaluate(
        """() => { const s = document.createElement("script"); s.textContent = "window.foreign = 1";
        document.body.append(s); return [window.foreign === undefined]; }"""
    )
    assert blocked == [True]
    assert any("Content Security Policy" in text for text in watched.complaints)
    watched.close()
