"""A training run as one page that can be sent to somebody: ``mmer-report FOLDER``.

From Python: ``mmer.training.report.page.write_report(folder)``.
"""
