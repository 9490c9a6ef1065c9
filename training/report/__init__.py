"""Report of a training run as one HTML page: ``mmer-report FOLDER``.

From Python: ``mmer.training.report.page.write_report(folder)``.
"""
