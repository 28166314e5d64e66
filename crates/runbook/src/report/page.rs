//! A page that needs nothing else: no script, no style sheet, no picture from anywhere.

use pulldown_cmark::{Event, Options, Parser, html};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;\
background:#fff}\
table{border-collapse:collapse;margin:1rem 0;width:100%}\
td,th{border:1px solid #c9d1d9;padding:.35rem .6rem;text-align:left;vertical-align:top}\
pre{background:#f3f4f6;padding:.8rem;overflow:auto}code{font-family:ui-monospace,monospace;font-size:.9em}\
h1,h2,h3{line-height:1.2}svg{max-width:100%;height:auto}\
@media print{body{margin:0;max-width:none}pre{white-space:pre-wrap}h2{break-after:avoid}}";

/// A page of a Markdown text, with a drawing below its first heading. Markup within the text is
/// shown as it is written.
pub(crate) fn page(title: &str, markdown: &str, drawing: Option<&str>) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        event => event,
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    if let Some(drawing) = drawing {
        let at = body.find("</h1>").map_or(0, |at| at + "</h1>".len());
        body.insert_str(at, &format!("\n{drawing}"));
    }
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}\
         </style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Text as it stands in HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No SVG may hold these.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
