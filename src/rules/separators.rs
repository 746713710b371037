//! What may stand between a secret's name and its value besides `=` and `:`: a fallback (`|| "v"`, `) or "v"`), markup
//! (`<key>NAME</key><string>v`), a later flag (`NAME --body "v"`), a call (`).fill("v")`), words of several languages.

/// Where the value begins, and how sure that is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// As good as an assignment.
    Strong(usize),
    /// Between tags: up to the next `<`.
    Markup(usize),
    /// Beside the name, no more.
    Weak(usize),
}

/// Words that join a name and its value in prose, with what follows them.
const WORDS: &[&str] = &[
    "is: ",
    "is ",
    "was ",
    "are ",
    "= ",
    "to equal ",
    "to be ",
    "to ",
    "as ",
    "will be ",
    "would be ",
    "equals ",
    "ist: ",
    "ist ",
    "lautet: ",
    "lautet ",
    "auf ",
    "est ",
    "c'est ",
    "c’est ",
    "es ",
    "è ",
    "é ",
    "это ",
    "jest ",
    "的值是 ",
    "的值是",
    "是 ",
    "값은 ",
    "の値は ",
    "の値は",
    "は ",
    "は",
    "：",
    "→ ",
    "-> ",
    "– ",
    "— ",
];

/// Flags that carry the value of a name given before them.
const VALUE_FLAGS: &[&[u8]] = &[
    b" --body ",
    b" --body=",
    b" --value ",
    b" --value=",
    b" --secret-string ",
    b" --data ",
    b" --plaintext ",
];

/// Calls that type a value into a field.
const TYPING: &[&[u8]] =
    &[b".fill(", b".type(", b".send_keys(", b".sendKeys(", b".setValue(", b".pressSequentially(", b".val("];

fn quote(text: &[u8], i: usize) -> bool {
    text.get(i).is_some_and(|b| matches!(b, b'"' | b'\'' | b'`'))
        || text.get(i) == Some(&b'\\') && text.get(i + 1).is_some_and(|b| matches!(b, b'"' | b'\''))
}

fn skip(text: &[u8], mut i: usize, set: &[u8]) -> usize {
    let from = i;
    while i < text.len() && i - from < 64 && set.contains(&text[i]) {
        i += 1;
    }
    i
}

/// A word of prose at `i`: where what it announces begins.
pub(crate) fn word(text: &[u8], i: usize) -> Option<usize> {
    let w = WORDS.iter().find(|w| text[i..].starts_with(w.as_bytes()))?;
    Some(skip(text, i + w.len(), b" \t"))
}

/// `|| "v"`, `||= 'v'`, `?? "v"`, `?: "v"`, `or "v"`: a fallback in quotes.
fn fallback(text: &[u8], i: usize) -> Option<usize> {
    let op =
        [&b"||="[..], b"??=", b"||", b"??", b"?:", b"or "].into_iter().find(|o| text[i..].starts_with(o))?;
    let v = skip(text, i + op.len(), b" \t");
    quote(text, v).then_some(v)
}

/// `</key>\n<string>v`, `</name><value>v`: the value's element after the name's.
fn element(text: &[u8], ne: usize) -> Option<usize> {
    let close = text[ne..].iter().take(20).position(|b| *b == b'>')?;
    let tag = &text[ne + 2..ne + close];
    if ![&b"key"[..], b"name", b"Key", b"Name", b"th", b"td", b"dt"].contains(&tag) {
        return None;
    }
    let open = skip(text, ne + close + 1, b" \t\r\n>+");
    ["<string>", "<value>", "<Value>", "<val>", "<td>", "<td><code>", "<dd>"]
        .iter()
        .filter(|t| text[open..].starts_with(t.as_bytes()))
        .map(|t| open + t.len())
        .max()
}

/// `variable "name" { … default = "v"`.
fn declared(text: &[u8], ns: usize, brace: usize) -> Option<usize> {
    if !text[..ns].ends_with(b"variable \"") && !text[..ns].ends_with(b"variable \\\"") {
        return None;
    }
    let body = &text[brace..(brace + 240).min(text.len())];
    let body = &body[..body.iter().position(|b| *b == b'}').unwrap_or(body.len())];
    let at = body.windows(7).position(|w| w == b"default")?;
    let eq = skip(text, brace + at + 7, b" \t");
    (text.get(eq) == Some(&b'=')).then(|| skip(text, eq + 1, b" \t")).filter(|v| quote(text, *v))
}

/// A flag with the value further on in the command.
fn later_flag(text: &[u8], i: usize) -> Option<usize> {
    let line = &text[i..(i + 90).min(text.len())];
    let line = &line[..line.iter().position(|b| matches!(b, b'\n' | b'|' | b';')).unwrap_or(line.len())];
    VALUE_FLAGS
        .iter()
        .filter_map(|f| line.windows(f.len()).position(|w| w == *f).map(|p| (p, f.len())))
        .min()
        .map(|(p, n)| i + p + n)
}

/// Whether the word before the name sets a variable: `set -gx NAME v`, `ENV NAME v`, `setenv NAME v`.
pub(crate) fn set_before(text: &[u8], ns: usize) -> bool {
    let from = ns.saturating_sub(12);
    [&b"set -gx "[..], b"set -x ", b"set -Ux ", b"set -xg ", b"setenv ", b"ENV ", b"ARG ", b"env add "]
        .iter()
        .any(|w| text[from..ns].ends_with(w))
}

/// `NAME … \n VALUE`: a command that prints one value, named in it, and the value alone on the next line.
fn printed(text: &[u8], ns: usize, i: usize) -> Option<usize> {
    let rest = &text[i..(i + 80).min(text.len())];
    let end = rest.iter().position(|b| *b == b'\n')?;
    let from = ns.saturating_sub(120);
    let line = text[from..ns].iter().rposition(|b| *b == b'\n').map_or(from, |p| from + p + 1);
    let head = &text[line..ns];
    let prompt = head.windows(2).take(60).any(|w| matches!(w, b"$ " | b"% " | b"# " | b"> "));
    let asks = [
        &b"echo $"[..],
        b"printenv ",
        b"-raw ",
        b"kv get ",
        b"field=",
        b"secret=",
        b"secrets ",
        b"op read ",
        b"pass show ",
        b"pass ",
        b"get-value ",
        b"config get ",
        b"jq ",
        b"cat ",
        b"get-secret",
        b"auth ",
        b"echo \"$",
        b"show ",
    ];
    if !prompt || !asks.iter().any(|a| head.windows(a.len()).any(|w| w == *a)) {
        return None;
    }
    if rest[..end].iter().any(|b| matches!(b, b'|' | b'>' | b';' | b'&')) {
        return None;
    }
    let v = skip(text, i + end + 1, b" +>");
    let word = text[v..].iter().take(600).take_while(|b| !b.is_ascii_whitespace()).count();
    let alone = matches!(text.get(v + word), None | Some(b'\n' | b'\r' | 0x1b));
    (word >= 8 && alone).then_some(v)
}

/// `name="x" other="y">v`: where the element's text begins.
fn attributes(text: &[u8], i: usize) -> Option<usize> {
    let tag = &text[i..(i + 100).min(text.len())];
    let end = tag.iter().position(|b| matches!(b, b'>' | b'\n' | b'<'))?;
    (tag[end] == b'>' && tag[..end].ends_with(b"\"") && tag[..end].contains(&b'=')).then_some(i + end + 1)
}

/// The value of the name `[ns, ne)`; `i` stands at the first byte after closing quotes and blanks, `gap` before the
/// blanks, `closed` tells that there were quotes, `constant` that the name is written as a variable of the
/// environment.
pub(crate) fn find(
    text: &[u8],
    ns: usize,
    ne: usize,
    gap: usize,
    i: usize,
    closed: bool,
    constant: bool,
) -> Option<Separator> {
    let b = *text.get(i)?;
    if i > gap
        && b.is_ascii_lowercase()
        && let Some(v) = printed(text, ns, i)
    {
        return Some(Separator::Strong(v));
    }
    match b {
        b'<' if i == ne && text[i..].starts_with(b"</") => element(text, ne).map(Separator::Markup),
        b'>' if closed && ns > 1 && quote(text, ns - 1) && text[..ns - 1].ends_with(b"=") => {
            Some(Separator::Markup(i + 1))
        }
        b'?' if text[i..].starts_with(b"?= ") => Some(Separator::Strong(i + 3)),
        b'|' | b'?' => fallback(text, i).map(Separator::Strong),
        b'\n' | b'\r' => printed(text, ns, i).map(Separator::Strong),
        b'{' if closed => declared(text, ns, i).map(Separator::Strong),
        b')' => {
            let after = skip(text, i, b")");
            if let Some(call) = TYPING.iter().find(|c| text[after..].starts_with(c)) {
                return quote(text, after + call.len()).then_some(Separator::Strong(after + call.len()));
            }
            fallback(text, skip(text, after, b" \t")).map(Separator::Strong)
        }
        b'(' if i > gap && (constant || closed) => Some(Separator::Weak(i + 1)),
        b',' if !closed && text.get(i + 1).is_some_and(u8::is_ascii_alphanumeric) => {
            Some(Separator::Weak(i + 1))
        }
        b':' if text[i..].starts_with(b"::") && text[..ns].ends_with(b"name=") => {
            Some(Separator::Strong(i + 2))
        }
        _ if closed && i > gap && b.is_ascii_lowercase() && ns > 1 && text[..ns - 1].ends_with(b"=") => {
            attributes(text, i).map(Separator::Markup)
        }
        _ if i > gap && text[i..].starts_with(b"or ") => fallback(text, i).map(Separator::Strong),
        _ if i > gap && (b == b'-' || b.is_ascii_alphabetic()) && constant => {
            later_flag(text, gap).map(Separator::Strong)
        }
        _ => None,
    }
}

/// `>-`, `|` and the like after a YAML name: the value is on the next line.
pub(crate) fn block_scalar(text: &[u8], v: usize) -> Option<usize> {
    if !matches!(text.get(v), Some(b'>' | b'|')) {
        return None;
    }
    let end = v + 1 + usize::from(matches!(text.get(v + 1), Some(b'-' | b'+')));
    matches!(text.get(end), Some(b'\n' | b'\r')).then(|| skip(text, end, b" \t\r\n"))
}

#[cfg(test)]
mod tests {
    use super::super::assignment::{Mode, at};

    fn find(text: &str, key: &str, mode: Mode) -> Option<String> {
        let ks = text.to_ascii_lowercase().find(key)?;
        at(text.as_bytes(), ks, ks + key.len(), mode).map(|(s, e)| text[s..e].to_owned())
    }

    #[test]
    fn values_are_found_behind_every_join() {
        let v = ["Vq7", "Lm2", "Xr9", "Tk4", "Pz8", "Wd3"].concat();
        for t in [
            format!("process.env.A_TOKEN || '{v}';"),
            format!("ENV['A_TOKEN'] ||= '{v}'"),
            format!("const t = env.A_TOKEN ?? `{v}`;"),
            format!("t = os.environ.get(\"A_TOKEN\") or \"{v}\""),
            format!("<key>A_TOKEN</key>\n\t<string>{v}</string>"),
            format!("<property><name>a.token</name><value>{v}</value>"),
            format!("<string name=\"a_token\">{v}</string>"),
            format!("gh secret set A_TOKEN --body \"{v}\" --repo o/r"),
            format!("put-parameter --name /p/A_TOKEN --type SecureString --value '{v}'"),
            format!("variable \"a_token\" {{\n  type = string\n  default = \"{v}\"\n}}"),
            format!("says A_TOKEN ({v}) stopped"),
            format!("set `A_TOKEN` to `{v}`"),
            format!("A_TOKEN の値は {v} です"),
            format!("el A_TOKEN es {v}, ok"),
            format!("::set-output name=a_token::{v}"),
            format!("name,value\nA_TOKEN,{v},2026"),
            format!("a_token: >-\n    {v}\n"),
            format!("set -gx A_TOKEN {v}"),
            format!("A_TOKEN ?= {v}\nall:\n"),
            format!("<string name=\"a_token\" translatable=\"false\">{v}</string>"),
            format!("<ns:aToken>{v}</ns:aToken>"),
            format!("$ printenv A_TOKEN\n{v}\n"),
            format!("$ vault kv get -field=a_token secret/app\n{v}"),
            format!("new Output(this, 'A_TOKEN', {{ value: '{v}' }});"),
            format!("Dim aToken As String = \"{v}\""),
            format!("A_TOKEN 的值是 {v}"),
        ] {
            assert_eq!(find(&t, "token", Mode::Token).as_deref(), Some(v.as_str()), "{t}");
        }
        let p = ["Copper", "-lantern", "-440"].concat();
        for t in [
            format!("getByLabel('Password').fill('{p}')"),
            format!("find(By.ID, 'password').send_keys('{p}')"),
            format!("PASSWORD: {p}"),
        ] {
            assert_eq!(find(&t, "password", Mode::Password).as_deref(), Some(p.as_str()), "{t}");
        }
    }

    #[test]
    fn joins_without_a_value_are_left() {
        for t in [
            "const t = env.A_TOKEN || 'local';",
            "ENV['A_TOKEN'] ||= 'dummy'",
            "<key>TokenCount</key>\n<string>12</string>",
            "A_TOKEN (see vault) is unset",
            "set `A_TOKEN` to your token",
            "variable \"a_token\" {\n  type = string\n}",
            "gh secret set A_TOKEN --body \"$A_TOKEN\"",
            "id,token,created_at",
            "$ cat token\nsrc/main-2024/file.rs\n",
            "tests of the token\nq7Zk2LmX9",
            "a_token: |\n  see the manual\n",
        ] {
            assert_eq!(find(t, "token", Mode::Token), None, "{t}");
        }
    }
}
