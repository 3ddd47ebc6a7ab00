"""Debian's Prometheus and Pushgateway, started privately, and an OTLP receiver of our own.

The receiver reads bodies with Google's protobuf library, by a description of the messages that is written here from the
published protocol's names and field numbers: nothing of rota's encoder is shared.
"""

import collections
import http.server
import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from conftest import ROOT, until
from door import free_port

PACKAGES = ROOT / "var" / "packages" / "usr" / "bin"


def program(name):
    """Unpacked by ./test; a machine that has it installed is as good."""
    found = PACKAGES / name if (PACKAGES / name).exists() else shutil.which(name)
    if not found:
        pytest.fail(f"{name} is not there; ./test system unpacks it")
    return str(found)


def promtool(*args, text=None, folder=None):
    return subprocess.run([program("promtool"), *map(str, args)], input=text, capture_output=True, text=True,
                          check=False, cwd=folder)


class Server:
    """A program that serves HTTP at `url` until the end of the `with`; within it it may be killed and started again."""

    def __init__(self, folder, words):
        self.folder, self.words, self.process = folder, words, None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log, cwd=self.folder)
        until(self.is_ready, self.words[0])

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return answer.read().decode()

    def is_ready(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.get("/-/ready")
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


class Prometheus(Server):
    def __init__(self, folder, config="global: {scrape_interval: 60s}\n"):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "prometheus.yml").write_text(config)
        super().__init__(folder, [program("prometheus"), f"--config.file={folder}/prometheus.yml",
                                  f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                                  "--web.enable-remote-write-receiver"])

    def api(self, path, **fields):
        try:
            return json.loads(self.get(f"/api/v1/{path}?{urllib.parse.urlencode(fields)}"))["data"]
        except OSError:
            return None

    def ask(self, expression):
        data = self.api("query", query=expression)
        return data["result"] if data else []

    def samples(self, selector, past="1h"):
        """Times and values of the one series that fits, as they are kept."""
        found = self.ask(f"{selector}[{past}]")
        assert len(found) <= 1, found
        return [(float(at), float(value)) for at, value in found[0]["values"]] if found else []


class Pushgateway(Server):
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(folder, [program("prometheus-pushgateway"),
                                  f"--web.listen-address=127.0.0.1:{self.port}"])

    def groups(self):
        """What it has, by instance: the grouping labels, and the names of the metrics."""
        data = json.loads(self.get("/api/v1/metrics"))["data"]
        return {group["labels"]["instance"]: (group["labels"], set(group) - {"labels"}) for group in data}


# What is asked of opentelemetry.proto.metrics.v1 and its like: message, then name, number and type of its fields; "*"
# is repeated.
OTLP = {
    "ExportMetricsServiceRequest": [("resource_metrics", 1, "*ResourceMetrics")],
    "ResourceMetrics": [("resource", 1, "Resource"), ("scope_metrics", 2, "*ScopeMetrics"),
                        ("schema_url", 3, "string")],
    "Resource": [("attributes", 1, "*KeyValue")],
    "ScopeMetrics": [("scope", 1, "InstrumentationScope"), ("metrics", 2, "*Metric"), ("schema_url", 3, "string")],
    "InstrumentationScope": [("name", 1, "string"), ("version", 2, "string")],
    "Metric": [("name", 1, "string"), ("description", 2, "string"), ("unit", 3, "string"), ("gauge", 5, "Gauge"),
               ("sum", 7, "Sum"), ("histogram", 9, "Histogram")],
    "Gauge": [("data_points", 1, "*NumberDataPoint")],
    "Sum": [("data_points", 1, "*NumberDataPoint"), ("aggregation_temporality", 2, "int32"),
            ("is_monotonic", 3, "bool")],
    "Histogram": [("data_points", 1, "*HistogramDataPoint"), ("aggregation_temporality", 2, "int32")],
    "NumberDataPoint": [("start_time_unix_nano", 2, "fixed64"), ("time_unix_nano", 3, "fixed64"),
                        ("as_double", 4, "double"), ("as_int", 6, "sfixed64"), ("attributes", 7, "*KeyValue")],
    "HistogramDataPoint": [("start_time_unix_nano", 2, "fixed64"), ("time_unix_nano", 3, "fixed64"),
                           ("count", 4, "fixed64"), ("sum", 5, "double"), ("bucket_counts", 6, "*fixed64"),
                           ("explicit_bounds", 7, "*double"), ("attributes", 9, "*KeyValue")],
    "KeyValue": [("key", 1, "string"), ("value", 2, "AnyValue")],
    "AnyValue": [("string_value", 1, "string")],
    "ExportMetricsServiceResponse": [("partial_success", 1, "ExportMetricsPartialSuccess")],
    "ExportMetricsPartialSuccess": [("rejected_data_points", 1, "int64"), ("error_message", 2, "string")],
}


def messages(described, package):
    """Classes for messages described as above."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            plain = kind.lstrip("*")
            of = message.field.add(name=field, number=number, label=label)
            if plain in described:
                of.type, of.type_name = kinds.TYPE_MESSAGE, f".{package}.{plain}"
            else:
                of.type = getattr(kinds, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName(f"{package}.{name}")) for name in described}


Point = collections.namedtuple("Point", "resource metric kind labels start at value temporality monotonic unit")


class OtlpReceiver:
    """Takes OTLP over HTTP. `answer`: a status; "die": it reads all and hangs up, so that its fate is not known;
    "partial": 200, with a part rejected."""

    def __init__(self):
        self.classes = messages(OTLP, "otlp")
        self.answer, self.bodies, self.points, self.kinds = 200, [], [], set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, self.headers, body)
                if receiver.answer == "die":
                    self.close_connection = True
                    return
                said = b""
                if receiver.answer == "partial":
                    what = {"rejected_data_points": 3, "error_message": "three\nare bad"}
                    said = receiver.classes["ExportMetricsServiceResponse"](partial_success=what).SerializeToString()
                self.send_response(200 if receiver.answer == "partial" else receiver.answer)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/metrics"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self, path, headers, body):
        assert path == "/v1/metrics" and headers["Content-Type"] == "application/x-protobuf"
        request = self.classes["ExportMetricsServiceRequest"].FromString(body)
        points = []
        for resource in request.resource_metrics:
            whose = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points += list(self.read_metric(whose, metric))
        whole = request.SerializeToString()
        request.DiscardUnknownFields()
        assert request.SerializeToString() == whole, "something was sent that is not of the protocol"
        self.points += points
        self.bodies.append((headers, body))

    def read_metric(self, whose, metric):
        kinds = [kind for kind in ("gauge", "sum", "histogram") if metric.HasField(kind)]
        assert len(kinds) == 1, metric
        data = getattr(metric, kinds[0])
        for point in data.data_points:
            labels = tuple(sorted((pair.key, pair.value.string_value) for pair in point.attributes))
            value = (point.count, point.sum, tuple(point.bucket_counts), tuple(point.explicit_bounds)) \
                if kinds[0] == "histogram" else point.as_double
            yield Point(tuple(sorted(whose.items())), metric.name, kinds[0], labels, point.start_time_unix_nano,
                        point.time_unix_nano, value, getattr(data, "aggregation_temporality", 0),
                        getattr(data, "is_monotonic", False), metric.unit)
