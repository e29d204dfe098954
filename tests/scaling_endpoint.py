"""Application Auto Scaling, as much of it as tables need: it remembers the targets and policies it is told of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def scaling_endpoint() -> Iterator[tuple[str, dict[tuple[str, str], dict[str, Any]]]]:
    """Its URL, and what it holds: by resource and dimension the target, with the policy in it."""
    targets: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        key = (asked.get("ResourceId", ""), asked.get("ScalableDimension", ""))
        match operation:
            case "RegisterScalableTarget":
                targets[key] = targets.get(key, {}) | asked
                return {}
            case "PutScalingPolicy":
                targets[key]["policy"] = asked
                return {"PolicyARN": "arn:aws:autoscaling:policy", "Alarms": []}
            case "DescribeScalableTargets":
                held = [each for (resource, _), each in targets.items() if resource in asked["ResourceIds"]]
                return {"ScalableTargets": [{k: v for k, v in each.items() if k != "policy"} for each in held]}
        held = [each["policy"] for (resource, _), each in targets.items() if resource == asked["ResourceId"]]
        return {"ScalingPolicies": held}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(answer(self.headers["X-Amz-Target"].rpartition(".")[2], asked)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", targets
    finally:
        server.shutdown()
        server.server_close()
