//! What one source file says: its items, and by name what they call and mention.

use anyhow::{Context, Result, bail};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, Fields, FnArg, ForeignItem, ImplItem, Item, Lit, Meta, Pat, ReturnType,
    Safety, Signature, TraitItem, Type, Visibility,
};

use super::mentions::{self, Call, Mention, Role};

/// Longest source text and doc comment kept, in bytes: enough to be real, too little to be all.
const MAX_SOURCE: usize = 1600;
const MAX_DOC: usize = 700;
const MAX_SHORT: usize = 160;

/// What kind of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Module,
    Function,
    Method,
    Struct,
    Union,
    Enum,
    Variant,
    Field,
    Trait,
    Impl,
    TypeAlias,
    Constant,
    Static,
    Macro,
}

impl Kind {
    pub(super) fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Module => &["Module"],
            Self::Function => &["Item", "Function"],
            Self::Method => &["Item", "Function", "Method"],
            Self::Struct => &["Item", "Type", "Struct"],
            Self::Union => &["Item", "Type", "Union"],
            Self::Enum => &["Item", "Type", "Enum"],
            Self::Variant => &["Variant"],
            Self::Field => &["Field"],
            Self::Trait => &["Item", "Trait"],
            Self::Impl => &["Impl"],
            Self::TypeAlias => &["Item", "Type", "TypeAlias"],
            Self::Constant => &["Item", "Constant"],
            Self::Static => &["Item", "Static"],
            Self::Macro => &["Item", "Macro"],
        }
    }
}

/// One item of a file.
#[derive(Debug)]
pub(super) struct ItemFact {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The item of the same file that holds this one; none: the file's own module.
    pub(super) parent: Option<usize>,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) visibility: Option<&'static str>,
    pub(super) doc: Option<String>,
    pub(super) source: Option<String>,
    /// A function's parameters, a type's generics.
    pub(super) params: Vec<String>,
    /// A function's result, a field's or constant's type.
    pub(super) ty: Option<String>,
    /// `async`, `unsafe`, `const`, `test`.
    pub(super) flags: Vec<&'static str>,
    /// The type that an impl or a method belongs to.
    pub(super) self_type: Option<String>,
    /// The trait that an impl is of.
    pub(super) trait_name: Option<String>,
    pub(super) calls: Vec<Call>,
    pub(super) mentions: Vec<Mention>,
}

/// One parsed file.
#[derive(Debug)]
pub(super) struct FileFacts {
    pub(super) doc: Option<String>,
    pub(super) items: Vec<ItemFact>,
}

/// Parses a file's text.
pub(super) fn parse(text: &str) -> Result<FileFacts> {
    let file = syn::parse_file(text).context("not plain Rust")?;
    // syn leaves out a byte order mark, and spans would not fit the text then.
    if text.starts_with('\u{feff}') {
        bail!("starts with a byte order mark");
    }
    let mut reader = Reader { text, items: Vec::new() };
    reader.items(&file.items, None);
    let facts = FileFacts { doc: doc(&file.attrs), items: reader.items };
    drop(file);
    // Every parsed file would stay in the thread's source map for good.
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(facts)
}

struct Reader<'a> {
    text: &'a str,
    items: Vec<ItemFact>,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Item], parent: Option<usize>) {
        for item in items {
            self.item(item, parent);
        }
    }

    fn item(&mut self, item: &Item, parent: Option<usize>) {
        match item {
            Item::Fn(f) => {
                let end = f.block.brace_token.span.close();
                let mut fact = self.function(Kind::Function, &f.sig, &f.attrs, end);
                fact.visibility = Some(visibility(&f.vis));
                fact.calls = mentions::calls(&f.block);
                self.push(fact, parent);
            }
            Item::Mod(m) => {
                let Some((brace, content)) = &m.content else { return };
                let mut fact =
                    Self::fact(Kind::Module, &m.ident, m.ident.span(), brace.span.close());
                fact.visibility = Some(visibility(&m.vis));
                fact.doc = doc(&m.attrs);
                fact.flags.extend(is_test(&m.attrs).then_some("test"));
                let index = self.push(fact, parent);
                self.items(content, Some(index));
            }
            Item::Struct(s) => {
                let end = match &s.fields {
                    Fields::Named(named) => named.brace_token.span.close(),
                    Fields::Unnamed(tuple) => tuple.paren_token.span.close(),
                    Fields::Unit => s.ident.span(),
                };
                let mut fact = Self::fact(Kind::Struct, &s.ident, s.struct_token.span, end);
                fact.params = self.generics(&s.generics);
                Self::describe(&mut fact, &s.attrs, &s.vis);
                let index = self.push(fact, parent);
                self.fields(&s.fields, index);
            }
            Item::Union(u) => {
                let end = u.fields.brace_token.span.close();
                let mut fact = Self::fact(Kind::Union, &u.ident, u.ident.span(), end);
                Self::describe(&mut fact, &u.attrs, &u.vis);
                let index = self.push(fact, parent);
                self.fields(&Fields::Named(u.fields.clone()), index);
            }
            Item::Enum(e) => {
                let end = e.brace_token.span.close();
                let mut fact = Self::fact(Kind::Enum, &e.ident, e.enum_token.span, end);
                fact.params = self.generics(&e.generics);
                Self::describe(&mut fact, &e.attrs, &e.vis);
                let index = self.push(fact, parent);
                for variant in &e.variants {
                    let span = variant.ident.span();
                    let mut fact = Self::fact(Kind::Variant, &variant.ident, span, span);
                    fact.doc = doc(&variant.attrs);
                    fact.ty = variant.discriminant.as_ref().map(|(_, d)| self.short(d));
                    let index = self.push(fact, Some(index));
                    self.fields(&variant.fields, index);
                }
            }
            Item::Trait(t) => {
                let end = t.brace_token.span.close();
                let mut fact = Self::fact(Kind::Trait, &t.ident, t.trait_token.span, end);
                fact.params = self.generics(&t.generics);
                fact.flags.extend(t.unsafety.map(|_| "unsafe"));
                fact.visibility = Some(visibility(&t.vis));
                fact.doc = doc(&t.attrs);
                let index = self.push(fact, parent);
                self.trait_items(&t.items, index, &t.ident.to_string());
            }
            Item::Impl(i) => self.implementation(i, parent),
            Item::Type(t) => {
                let mut fact =
                    Self::fact(Kind::TypeAlias, &t.ident, t.type_token.span, t.semi_token.span);
                fact.ty = Some(self.short(&t.ty));
                fact.mentions = mentions::types(&t.ty, Role::Alias);
                Self::describe(&mut fact, &t.attrs, &t.vis);
                self.push(fact, parent);
            }
            Item::Const(c) => {
                let mut fact =
                    Self::fact(Kind::Constant, &c.ident, c.const_token.span, c.semi_token.span);
                fact.ty = Some(self.short(&c.ty));
                fact.mentions = mentions::types(&c.ty, Role::Value);
                Self::describe(&mut fact, &c.attrs, &c.vis);
                self.push(fact, parent);
            }
            Item::Static(s) => {
                let mut fact =
                    Self::fact(Kind::Static, &s.ident, s.static_token.span, s.semi_token.span);
                fact.ty = Some(self.short(&s.ty));
                fact.mentions = mentions::types(&s.ty, Role::Value);
                Self::describe(&mut fact, &s.attrs, &s.vis);
                self.push(fact, parent);
            }
            Item::Macro(m) => {
                let Some(ident) = &m.ident else { return };
                let end = m.mac.delimiter.span().close();
                let mut fact = Self::fact(Kind::Macro, ident, ident.span(), end);
                fact.doc = doc(&m.attrs);
                fact.source = self.source(ident.span(), end);
                self.push(fact, parent);
            }
            Item::ForeignMod(foreign) => {
                for item in &foreign.items {
                    let ForeignItem::Fn(f) = item else { continue };
                    let mut fact =
                        self.function(Kind::Function, &f.sig, &f.attrs, f.semi_token.span);
                    fact.visibility = Some(visibility(&f.vis));
                    fact.flags.push("extern");
                    self.push(fact, parent);
                }
            }
            _ => {}
        }
    }

    fn implementation(&mut self, i: &syn::ItemImpl, parent: Option<usize>) {
        let self_type = mentions::head(&i.self_ty);
        let path = i.trait_.as_ref().map(|(path, _)| path);
        let trait_name = path.and_then(|p| p.segments.last()).map(|s| s.ident.to_string());
        let name = match &trait_name {
            Some(name) => format!("{name} for {}", self.short(&i.self_ty)),
            None => self.short(&i.self_ty),
        };
        let start = i.impl_token.span;
        let mut fact = Self::new_fact(Kind::Impl, name, start, i.brace_token.span.close());
        fact.params = self.generics(&i.generics);
        fact.flags.extend(i.unsafety.map(|_| "unsafe"));
        fact.doc = doc(&i.attrs);
        fact.self_type.clone_from(&self_type);
        fact.trait_name = trait_name;
        fact.mentions = mentions::types(&i.self_ty, Role::SelfType);
        let index = self.push(fact, parent);
        for item in &i.items {
            match item {
                ImplItem::Fn(f) => {
                    let end = f.block.brace_token.span.close();
                    let mut fact = self.function(Kind::Method, &f.sig, &f.attrs, end);
                    fact.visibility = Some(visibility(&f.vis));
                    fact.self_type.clone_from(&self_type);
                    fact.calls = mentions::calls(&f.block);
                    self.push(fact, Some(index));
                }
                ImplItem::Const(c) => {
                    let mut fact =
                        Self::fact(Kind::Constant, &c.ident, c.const_token.span, c.semi_token.span);
                    fact.ty = Some(self.short(&c.ty));
                    Self::describe(&mut fact, &c.attrs, &c.vis);
                    self.push(fact, Some(index));
                }
                _ => {}
            }
        }
    }

    fn trait_items(&mut self, items: &[TraitItem], parent: usize, trait_name: &str) {
        for item in items {
            let TraitItem::Fn(f) = item else { continue };
            let end = match (&f.default, &f.semi_token) {
                (Some(block), _) => block.brace_token.span.close(),
                (None, Some(semi)) => semi.span,
                (None, None) => f.sig.ident.span(),
            };
            let mut fact = self.function(Kind::Method, &f.sig, &f.attrs, end);
            fact.self_type = Some(trait_name.to_owned());
            fact.calls = f.default.as_ref().map(mentions::calls).unwrap_or_default();
            self.push(fact, Some(parent));
        }
    }

    fn function(&self, kind: Kind, sig: &Signature, attrs: &[Attribute], end: Span) -> ItemFact {
        let start = sig.fn_token.span;
        let mut fact = Self::fact(kind, &sig.ident, start, end);
        fact.doc = doc(attrs);
        fact.source = self.source(start, end);
        fact.flags.extend(sig.asyncness.map(|_| "async"));
        fact.flags.extend(sig.constness.map(|_| "const"));
        fact.flags.extend(matches!(sig.safety, Safety::Unsafe(_)).then_some("unsafe"));
        fact.flags.extend(is_test(attrs).then_some("test"));
        for input in &sig.inputs {
            match input {
                FnArg::Receiver(_) => fact.params.push("self".to_owned()),
                FnArg::Typed(typed) => {
                    let name = match &*typed.pat {
                        Pat::Ident(ident) => ident.ident.to_string(),
                        _ => "_".to_owned(),
                    };
                    fact.params.push(format!("{name}: {}", self.short(&typed.ty)));
                    fact.mentions.extend(mentions::types(&typed.ty, Role::Parameter));
                }
            }
        }
        if let ReturnType::Type(_, ty) = &sig.output {
            fact.ty = Some(self.short(ty));
            fact.mentions.extend(mentions::types(ty, Role::Result));
        }
        fact
    }

    fn fields(&mut self, fields: &Fields, parent: usize) {
        for (position, field) in fields.iter().enumerate() {
            let span = field.ident.as_ref().map_or_else(|| field.ty.span(), syn::Ident::span);
            let name =
                field.ident.as_ref().map_or_else(|| position.to_string(), ToString::to_string);
            let mut fact = Self::new_fact(Kind::Field, name, span, span);
            fact.ty = Some(self.short(&field.ty));
            fact.mentions = mentions::types(&field.ty, Role::Field);
            fact.visibility = Some(visibility(&field.vis));
            fact.doc = doc(&field.attrs);
            self.push(fact, Some(parent));
        }
    }

    fn describe(fact: &mut ItemFact, attrs: &[Attribute], vis: &Visibility) {
        fact.doc = doc(attrs);
        fact.visibility = Some(visibility(vis));
        fact.flags
            .extend(attrs.iter().any(|a| a.path().is_ident("deprecated")).then_some("deprecated"));
    }

    fn generics(&self, generics: &syn::Generics) -> Vec<String> {
        generics.params.iter().map(|p| self.short(p)).collect()
    }

    fn push(&mut self, mut fact: ItemFact, parent: Option<usize>) -> usize {
        fact.parent = parent;
        self.items.push(fact);
        self.items.len() - 1
    }

    fn fact(kind: Kind, ident: &syn::Ident, start: Span, end: Span) -> ItemFact {
        Self::new_fact(kind, ident.to_string(), start, end)
    }

    fn new_fact(kind: Kind, name: String, start: Span, end: Span) -> ItemFact {
        let from = start.start();
        ItemFact {
            kind,
            name,
            parent: None,
            line: from.line,
            column: from.column + 1,
            end_line: end.end().line,
            visibility: None,
            doc: None,
            source: None,
            params: Vec::new(),
            ty: None,
            flags: Vec::new(),
            self_type: None,
            trait_name: None,
            calls: Vec::new(),
            mentions: Vec::new(),
        }
    }

    /// The text from the beginning of the line of `start` to `end`.
    fn source(&self, start: Span, end: Span) -> Option<String> {
        let start = start.byte_range().start;
        let line = self.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let text = self.text.get(line..end.byte_range().end)?;
        Some(bounded(text.trim_start(), MAX_SOURCE).to_owned())
    }

    /// The text of a small piece of syntax, on one line.
    fn short(&self, syntax: &impl Spanned) -> String {
        let text = self.text.get(syntax.span().byte_range()).unwrap_or_default();
        let text = bounded(text, MAX_SHORT);
        if text.contains('\n') {
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        } else {
            text.to_owned()
        }
    }
}

fn visibility(vis: &Visibility) -> &'static str {
    match vis {
        Visibility::Public(_) => "public",
        Visibility::Restricted(_) => "restricted",
        Visibility::Inherited => "private",
    }
}

fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| {
        a.path().segments.last().is_some_and(|s| s.ident == "test")
            || matches!(&a.meta, Meta::List(l)
                if l.path.is_ident("cfg") && l.tokens.to_string() == "test")
    })
}

/// The doc comment among attributes, bounded.
fn doc(attrs: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    for attr in attrs {
        if let Meta::NameValue(pair) = &attr.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(line) = &literal.lit
        {
            if !text.is_empty() {
                text.push('\n');
            }
            let line = line.value();
            text.push_str(line.strip_prefix(' ').unwrap_or(&line));
            if text.len() > MAX_DOC {
                break;
            }
        }
    }
    let text = bounded(text.trim_end(), MAX_DOC);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The longest beginning of a text that has at most `limit` bytes.
fn bounded(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A type's own name, if it has one.
pub(super) fn type_head(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()),
        Type::Reference(reference) => type_head(&reference.elem),
        Type::Paren(paren) => type_head(&paren.elem),
        Type::Group(group) => type_head(&group.elem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r"//! About it.

/// A point.
pub struct Point<T> { pub x: T, y: Option<Line> }

impl Shape for Point<u8> {
    /// Its size.
    fn area(&self, scale: f64) -> f64 { helper(scale).abs(); Line::new() }
}

mod inner {
    #[test]
    async fn späth() {}
}
";

    #[test]
    fn items_keep_their_places_and_texts() {
        let facts = parse(SOURCE).unwrap();
        assert_eq!(facts.doc.as_deref(), Some("About it."));
        let names: Vec<_> =
            facts.items.iter().map(|i| (i.kind, i.name.as_str(), i.parent, i.line)).collect();
        assert_eq!(
            names,
            [
                (Kind::Struct, "Point", None, 4),
                (Kind::Field, "x", Some(0), 4),
                (Kind::Field, "y", Some(0), 4),
                (Kind::Impl, "Shape for Point<u8>", None, 6),
                (Kind::Method, "area", Some(3), 8),
                (Kind::Module, "inner", None, 11),
                (Kind::Function, "späth", Some(5), 13),
            ]
        );
        let area = &facts.items[4];
        assert_eq!(area.params, ["self", "scale: f64"]);
        assert_eq!(area.doc.as_deref(), Some("Its size."));
        assert!(area.source.as_deref().unwrap().starts_with("fn area(&self"));
        let calls: Vec<_> =
            area.calls.iter().map(|c| (c.qualifier.as_deref(), c.name.as_str())).collect();
        assert_eq!(calls, [(None, "abs"), (None, "helper"), (Some("Line"), "new")]);
        assert_eq!(facts.items[6].flags, ["async", "test"]);
        assert_eq!(facts.items[6].source.as_deref(), Some("async fn späth() {}"));
    }

    #[test]
    fn text_that_is_no_rust_is_refused() {
        assert!(parse("fn (").is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(bounded("aéé", 2), "a");
        assert_eq!(bounded("aéé", 3), "aé");
        assert_eq!(bounded("abc", 10), "abc");
    }
}
