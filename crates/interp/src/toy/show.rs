//! Objects and results as text, the same in every run.

use super::{Kind, Nullable, Toy, ToyRef};
use crate::machine::{Leave, Outcome, Register};

impl Toy {
    /// An object by the name of its constant, otherwise by what it is.
    pub fn show(&self, object: Nullable) -> String {
        let Some(object) = object else { return "null".into() };
        if let Some(name) = self.names.get(&object) {
            return name.to_string();
        }
        self.show_kind(&self.objects[object.0 as usize].kind)
    }

    pub(super) fn show_kind(&self, kind: &Kind) -> String {
        match kind {
            Kind::Type { name, .. } => format!("type {name}"),
            Kind::None => "None".into(),
            Kind::Bool(b) => if *b { "True" } else { "False" }.into(),
            Kind::Int(n) => format!("int {n}"),
            Kind::Float(x) => format!("float {x:?}"),
            Kind::Str(s) => format!("str {s}"),
            Kind::Tuple(items) => format!("tuple({})", self.show_all(items)),
            Kind::List(items) => format!("list({})", self.show_all(items)),
            Kind::Slice(items) => format!("slice({})", self.show_all(items)),
            Kind::Method(items) => format!("method({})", self.show_all(items)),
            Kind::Cell(item) => format!("cell({})", self.show(*item)),
            Kind::Instance { class, inline, slots, .. } => {
                let attributes: Vec<Nullable> = inline.iter().flatten().chain(slots).copied().collect();
                format!("instance {}({})", self.show(Some(*class)), self.show_all(&attributes))
            }
            Kind::Dict { values, .. } => format!("dict({})", self.show_all(values)),
            Kind::Module(dict) => format!("module({})", self.show(*dict)),
            Kind::Function { version, .. } => format!("function version {version}"),
            Kind::ListIter(list, index) => format!("list_iter({}, {index})", self.show(*list)),
            Kind::TupleIter(tuple, index) => format!("tuple_iter({}, {index})", self.show(*tuple)),
            Kind::RangeIter { next, step, left } => format!("range_iter({next}, {step}, {left})"),
        }
    }

    fn show_all(&self, items: &[Nullable]) -> String {
        items.iter().map(|&i| self.show(i)).collect::<Vec<_>>().join(", ")
    }

    /// A value.
    pub fn show_register(&self, register: &Register<ToyRef>) -> String {
        match register {
            Register::Obj(object) => self.show(*object),
            Register::I64(n) => format!("{n}"),
            Register::F64(x) => format!("{x:?}"),
            Register::Bool(b) => format!("{b}"),
            Register::Ptr(_) => "ptr".into(),
        }
    }

    /// The frames in memory, a line each.
    pub fn show_frames(&self) -> Vec<String> {
        let line = |f: &super::ToyFrame| {
            let function = f.function.map_or(String::new(), |o| format!("function {} ", self.show(Some(o))));
            let (locals, stack) = (self.show_all(&f.locals), self.show_all(&f.stack));
            format!("{} @ {} {function}locals [{locals}] stack [{stack}]", f.code, f.pc)
        };
        self.frames.iter().map(line).collect()
    }

    /// How a superblock was left, in a line.
    pub fn show_outcome(&self, outcome: &Outcome<ToyRef>) -> String {
        let where_to = match &outcome.leave {
            Leave::Side => String::new(),
            Leave::Dynamic(pc) => format!(", to {pc}"),
            Leave::Link(executor, args) => {
                let args: Vec<String> = args.iter().map(|a| self.show_register(a)).collect();
                format!(", to {executor} with [{}]", args.join(", "))
            }
            Leave::Return(object) => format!(", with {}", self.show(Some(*object))),
        };
        format!("{} {}: {}{where_to}", outcome.exit, outcome.reason.name(), outcome.resume.name())
    }
}
