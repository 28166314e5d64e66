//! Which functions a body calls and which types a signature names. By name only: what a name means
//! is settled once the whole crate is known.

use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprMethodCall, Item, Type, TypePath};

pub(super) use super::parse::type_head as head;

/// A call in a function's body.
#[derive(Debug)]
pub(super) struct Call {
    /// The last part of the path, or the method.
    pub(super) name: String,
    /// The part before it, as in `Point::new`.
    pub(super) qualifier: Option<String>,
    /// Whether it is `receiver.name()`.
    pub(super) method: bool,
    pub(super) line: usize,
}

/// A type named somewhere.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) name: String,
    pub(super) role: Role,
}

/// Where a type is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Alias,
    Field,
    Parameter,
    Result,
    SelfType,
    Value,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Field => "field",
            Self::Parameter => "parameter",
            Self::Result => "result",
            Self::SelfType => "self",
            Self::Value => "value",
        }
    }
}

/// Every call in a body, nested functions left out, outer calls before inner ones.
pub(super) fn calls(block: &Block) -> Vec<Call> {
    let mut collector = Calls(Vec::new());
    collector.visit_block(block);
    collector.0
}

/// Every type that a type is made of.
pub(super) fn types(ty: &Type, role: Role) -> Vec<Mention> {
    let mut collector = Types { role, found: Vec::new() };
    collector.visit_type(ty);
    collector.found
}

struct Calls(Vec<Call>);

impl<'ast> Visit<'ast> for Calls {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let mut segments = path.path.segments.iter().rev();
            if let Some(last) = segments.next() {
                self.0.push(Call {
                    name: last.ident.to_string(),
                    qualifier: segments.next().map(|s| s.ident.to_string()),
                    method: false,
                    line: last.ident.span().start().line,
                });
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.0.push(Call {
            name: call.method.to_string(),
            qualifier: None,
            method: true,
            line: call.method.span().start().line,
        });
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

struct Types {
    role: Role,
    found: Vec<Mention>,
}

impl<'ast> Visit<'ast> for Types {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        if let Some(last) = path.path.segments.last() {
            self.found.push(Mention { name: last.ident.to_string(), role: self.role });
        }
        visit::visit_type_path(self, path);
    }
}
