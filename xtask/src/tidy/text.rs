//! Rules for the text of one file. Each gives line numbers, from 1, and findings.

/// The most lines that a source file may have.
const MAX_LINES: usize = 600;

/// Folders of single machines, in two parts so that this file keeps its own rule.
const MACHINE_FOLDERS: [(&str, &str); 3] = [("/ro", "ot/"), ("/ho", "me/"), ("/wo", "rk/")];

/// Marks of unfinished work, in two parts for the same reason.
const UNFINISHED: [(&str, &str); 3] = [("todo", "!("), ("unimplemented", "!("), ("#[ig", "nore")];

type Findings = Vec<(usize, String)>;

/// Absolute paths that exist on one machine only. The same words inside a longer path or address are fine.
pub(super) fn machine_paths(text: &str) -> Findings {
    let inside = |c: char| c.is_alphanumeric() || "._-~}".contains(c);
    let mut found = Findings::new();
    for (index, line) in text.lines().enumerate() {
        for (first, second) in MACHINE_FOLDERS {
            let folder = format!("{first}{second}");
            let stands_first = |(at, _): (usize, &str)| !line[..at].ends_with(inside);
            if line.match_indices(&folder).any(stands_first) {
                found.push((index + 1, format!("names the machine's folder {folder}")));
            }
        }
    }
    found
}

/// The rules for Rust sources: a module doc, a bounded length, nothing unfinished.
pub(super) fn rust(text: &str, may_be_long: bool) -> Findings {
    let mut found = Findings::new();
    if !text.starts_with("//!") {
        found.push((1, "has no `//!` doc at its head".to_owned()));
    }
    let n_lines = text.lines().count();
    if n_lines > MAX_LINES && !may_be_long {
        found.push((MAX_LINES + 1, format!("has {n_lines} lines, over {MAX_LINES}: split it")));
    }
    for (index, line) in text.lines().enumerate() {
        for (first, second) in UNFINISHED {
            let mark = format!("{first}{second}");
            if line.contains(&mark) {
                found.push((index + 1, format!("has `{mark}`")));
            }
        }
    }
    found
}

/// The rules for documents: a title, and relative links that lead somewhere.
pub(super) fn document(text: &str, exists: impl Fn(&str) -> bool) -> Findings {
    let mut found = Findings::new();
    if !text.starts_with("# ") {
        found.push((1, "has no title".to_owned()));
    }
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for link in links(line) {
            let outside = link.contains("://") || link.starts_with("mailto:");
            let path = link.split('#').next().unwrap_or_default();
            if !outside && !path.is_empty() && !exists(path) {
                found.push((index + 1, format!("links to {path}, which is not there")));
            }
        }
    }
    found
}

/// The targets of the inline links of a line, code spans left out.
fn links(line: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for (index, prose) in line.split('`').enumerate() {
        // A link's text may hold a code span, so its target is looked for in what follows a `]` anywhere.
        if index % 2 == 1 {
            continue;
        }
        for part in prose.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                // A title may follow the target.
                links.extend(target.split_whitespace().next());
            }
        }
    }
    links
}

/// The change log is alive: it has an `Unreleased` section or one of the present version.
pub(super) fn changelog(text: &str) -> Findings {
    let version = env!("CARGO_PKG_VERSION");
    let alive = text.lines().any(|line| {
        line.strip_prefix("## ").is_some_and(|heading| {
            let heading = heading.trim_matches(['[', ']', ' ']);
            heading.starts_with("Unreleased") || heading.starts_with(version)
        })
    });
    if alive {
        Findings::new()
    } else {
        let what = format!("has neither a section `Unreleased` nor one for {version}");
        vec![(1, what)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: Findings) -> Vec<usize> {
        findings.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_machine_path_is_found_and_a_look_alike_is_not() {
        let (first, second) = MACHINE_FOLDERS[1];
        let folder = format!("{first}{second}");
        let text = format!("x\n\"{folder}me\"\nhttps://a.org{folder}me\nsrc{folder}x\n{folder}y\n");
        assert_eq!(lines(machine_paths(&text)), [2, 5]);
    }

    #[test]
    fn a_source_needs_a_module_doc_and_a_bounded_length() {
        assert!(rust("//! What it is.\nfn f() {}\n", false).is_empty());
        assert_eq!(lines(rust("fn f() {}\n", false)), [1]);
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(lines(rust(&long, false)), [MAX_LINES + 1]);
        assert!(rust(&long, true).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        for (first, second) in UNFINISHED {
            let text = format!("//! A.\n\n    {first}{second}\n");
            assert_eq!(lines(rust(&text, false)), [3], "{first}");
        }
    }

    #[test]
    fn a_relative_link_must_lead_somewhere() {
        let text = "# T\n[a](there.md#part) [b](gone.md \"title\")\n[c](https://x.org/y) [d](#t)\n\
                    ```\n[e](gone.md)\n```\n`[f](gone.md)` and [`g`](gone/too.md)\n";
        let found = document(text, |path| path == "there.md");
        assert_eq!(lines(found.clone()), [2, 7]);
        assert!(found[1].1.contains("gone/too.md"), "{found:?}");
        assert_eq!(lines(document("no title\n", |_| true)), [1]);
    }

    #[test]
    fn a_change_log_without_the_present_is_dead() {
        assert!(changelog("# Changes\n## Unreleased\n").is_empty());
        let present = format!("# Changes\n## [{}]\n", env!("CARGO_PKG_VERSION"));
        assert!(changelog(&present).is_empty());
        assert_eq!(lines(changelog("# Changes\n## 0.0.1\n")), [1]);
    }
}
