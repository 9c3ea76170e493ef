"""What reports share: figures' style, HTML pages, Markdown tables, intervals, the host's facts.

    style, page                    matplotlib; page needs Jinja2, too (base.html.j2, page.css)
    interval, table, host_info     NumPy alone, for benchmarks and studies
    only_run                       nothing

May import: errors.
Face: `page.render`, `style.to_png`, `interval.median_interval`, `interval.bootstrap`,
`table.markdown_table`, `host_info.describe_machine`, `only_run.only_run`.
"""
