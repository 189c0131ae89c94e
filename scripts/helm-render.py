"""Lints a chart strictly and renders it with values, by Helm's own library: what `helm lint` and `helm template` do.

Usage: helm-render.py CHART VALUES.json -> JSON on stdout: {"messages": [...], "manifests": {path: text}} or {"error": text}
"""

import json
import sys

from helm_python import Chart, HelmError, lint

chart_path, values_path = sys.argv[1:]
with open(values_path, encoding="utf-8") as file:
    values = json.load(file)
try:
    report = lint(chart_path, values, strict=True)
    with Chart.load(chart_path) as chart:
        chart.validate_schema(values)
        manifests = chart.render(values, name="demo", namespace="models")
    print(json.dumps({"messages": report["messages"], "manifests": manifests}))
except HelmError as error:
    print(json.dumps({"error": str(error)}))
