"""The local page: it answers images as `predict` does, and refuses everything else."""

import base64
import http.client
import io
import json
import socket
import struct
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from support.browser import browser, need_browser, wait
from tinynet import nn
from tinynet.analysis import serve
from tinynet.data import Normalize
from tinynet.training import presets
from tinynet.training.predict import TrainedModel, classify


@pytest.fixture
def trained():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
    ).eval()
    classes = ("cat", "<b>dog</b>", "fish")
    return TrainedModel(net, presets.find("demo"), Normalize([128] * 3, [64] * 3), classes)


@pytest.fixture
def server(trained):
    with serve.PredictionServer(trained) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def png(rng):
    data = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(data, "PNG")
    return data.getvalue()


def post(server, data, path="predict", **headers):
    request = urllib.request.Request(server.address + path, data, headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


def refused(server, data, path="predict", **headers):
    with pytest.raises(urllib.error.HTTPError) as error:
        post(server, data, path, **headers)
    with error.value as response:
        return response.code, json.loads(response.read())["error"]


def test_the_answer_is_that_of_predict_and_the_maps_are_those_of_the_layers(
    server, trained, png, tmp_path
):
    (tmp_path / "image.png").write_bytes(png)
    answer = post(server, png)
    expected = classify(trained, tmp_path / "image.png")
    assert [each["name"] for each in answer["classes"]] == [name for name, _ in expected]
    np.testing.assert_allclose(
        [each["probability"] for each in answer["classes"]], [p for _, p in expected], rtol=1e-5
    )
    (layer,) = answer["layers"]
    assert layer["name"] == "1 ReLU: the 4 strongest of 4x8x8"
    for source, size in ((answer["seen"], (32, 32)), (layer["image"], (71, 8))):
        kind, _, coded = source.partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(coded))) as image:
            assert image.size == size


def test_the_page_escapes_names_and_asks_for_nothing_from_elsewhere(server):
    with urllib.request.urlopen(server.address) as response:
        text = response.read().decode()
        policy = response.headers["Content-Security-Policy"]
    assert "&lt;b&gt;dog&lt;/b&gt;" in text
    assert "<b>dog" not in text
    assert "http" not in text
    assert policy.startswith("default-src 'none'")


def test_it_listens_on_the_loopback_interface_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "127.0.0.1:1"}, {"Origin": "http://evil.example"}],
)
def test_another_host_or_origin_is_refused(server, png, headers):
    code, why = refused(server, png, **headers)
    assert code == 403
    assert why == f"This server answers its own page, {server.address}, alone."
    own = {"Host": f"localhost:{server.server_port}"}
    assert post(server, png, **own, Origin=f"http://{own['Host']}")["classes"]


def test_a_page_of_another_host_is_not_shown_either(server):
    request = urllib.request.Request(server.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    error.value.close()
    assert error.value.code == 403


def test_what_is_not_an_image_is_refused_without_the_name_of_a_file(server):
    code, why = refused(server, b"GIF89a, or not")
    assert code == 400
    assert why.startswith("the image: not an image that can be read")
    assert "/tmp" not in why


def test_a_large_body_is_refused_before_it_is_read(server, monkeypatch, png):
    monkeypatch.setattr(serve, "LARGEST", len(png) - 1)
    connection = http.client.HTTPConnection(*server.server_address, timeout=20)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", str(len(png)))
    connection.endheaders()  # and no byte of it
    assert connection.getresponse().status == 413
    connection.close()


def test_a_large_body_that_is_sent_at_once_gets_its_sentence_and_no_reset(server):
    size = serve.LARGEST + (5 << 20)
    head = f"POST /predict HTTP/1.0\r\nHost: {server.hosts[0]}\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(server.server_address, timeout=20) as connection:
        connection.sendall(head.encode() + bytes(size))
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.0 413 ")
    assert "The file has 25.0 MiB; 20 MiB is the limit." in answer


@pytest.mark.parametrize(("length", "code"), [("-1", 411), ("x", 411), ("9" * 30, 413), ("0", 413)])
def test_a_strange_length_is_refused(server, length, code):
    connection = http.client.HTTPConnection(*server.server_address, timeout=20)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    assert connection.getresponse().status == code
    connection.close()


def test_other_addresses_are_not_found(server, png):
    assert refused(server, png, "other")[0] == 404
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(server.address + "../etc/passwd")
    error.value.close()
    assert error.value.code == 404


def test_several_at_once_get_the_same_answer(server, png):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(server, png))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)


def test_a_browser_that_leaves_before_its_answer_is_no_error(server, png, capfd, monkeypatch):
    left = threading.Event()
    answered = threading.Event()
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda data: left.wait(20) and answer(data))
    ended = server.shutdown_request
    monkeypatch.setattr(server, "shutdown_request", lambda one: (ended(one), answered.set()))
    connection = socket.create_connection(server.server_address, timeout=20)
    at_once = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    head = f"POST /predict HTTP/1.1\r\nHost: localhost:{server.server_port}\r\n"
    connection.sendall(f"{head}Content-Length: {len(png)}\r\n\r\n".encode() + png)
    connection.close()
    left.set()
    assert answered.wait(20)
    assert capfd.readouterr().err == ""


def test_the_kernels_are_there_before_the_first_image(server, monkeypatch):
    seen = []
    monkeypatch.setattr(server, "answer", seen.append)
    server.warm_up()
    with Image.open(io.BytesIO(seen[0])) as image:
        assert image.size == serve.GRAY


@pytest.mark.slow
def test_a_browser_draws_and_chooses_a_file(server, png, tmp_path):
    need_browser()
    (tmp_path / "image.png").write_bytes(png)
    (tmp_path / "broken.png").write_bytes(b"no")
    with browser() as page:
        from selenium.webdriver.common.action_chains import ActionChains

        page.get(server.address)
        canvas = page.find_element("id", "draw")
        draw = ActionChains(page).move_to_element(canvas).click_and_hold()
        draw.move_by_offset(60, 40).move_by_offset(-90, 10).release().perform()
        names = wait(lambda: shown(page), "classes of the drawing")
        assert sorted(names) == ["<b>dog</b>", "cat", "fish"]
        drawn = page.find_element("id", "seen").get_attribute("src")
        choose = page.find_element("id", "file")
        choose.send_keys(str(tmp_path / "image.png"))
        wait(lambda: page.find_element("id", "seen").get_attribute("src") != drawn, "a new image")
        expected = post(server, png)
        wait(lambda: shown(page) == [e["name"] for e in expected["classes"]], "its classes")
        assert len(page.find_elements("css selector", ".layer img")) == 1
        choose.send_keys(str(tmp_path / "broken.png"))
        wait(lambda: "not an image" in page.find_element("id", "error").text, "the error")
        assert not [e for e in page.get_log("browser") if "Content Security" in e["message"]]


def shown(page):
    return [each.text for each in page.find_elements("css selector", ".class span:first-child")]
