//! Objects and results as text, the same in every run.

use super::{Kind, Nullable, Toy, ToyRef};
use crate::machine::{Leave, Outcome, Register};
use hotspur_ir::ElementKind;

/// Objects within objects that are shown.
const DEPTH: u32 = 12;

impl Toy {
    /// An object by the name of its constant, otherwise by what it is.
    pub fn show(&self, object: Nullable) -> String {
        self.show_within(object, DEPTH)
    }

    fn show_within(&self, object: Nullable, depth: u32) -> String {
        let Some(object) = object else { return "null".into() };
        if let Some(name) = self.names.get(&object) {
            return name.to_string();
        }
        self.show_kind_within(&self.objects[object.0 as usize].kind, depth)
    }

    pub(super) fn show_kind(&self, kind: &Kind) -> String {
        self.show_kind_within(kind, DEPTH)
    }

    fn show_kind_within(&self, kind: &Kind, depth: u32) -> String {
        // An object may contain itself.
        let Some(depth) = depth.checked_sub(1) else { return "...".into() };
        let show = |object: Nullable| self.show_within(object, depth);
        let show_all = |items: &[Nullable]| items.iter().map(|&i| show(i)).collect::<Vec<_>>().join(", ");
        match kind {
            Kind::Type { name, .. } => format!("type {name}"),
            Kind::None => "None".into(),
            Kind::Bool(b) => if *b { "True" } else { "False" }.into(),
            Kind::Int(n) => format!("int {n}"),
            Kind::Float(x) => format!("float {x:?}"),
            Kind::Str(s) => format!("str {s}"),
            Kind::Tuple(items) => format!("tuple({})", show_all(items)),
            Kind::List(items) => format!("list({})", show_all(items)),
            Kind::Slice(items) => format!("slice({})", show_all(items)),
            Kind::Range([start, stop, step]) => format!("range({start}, {stop}, {step})"),
            Kind::Array { typecode, elements } => {
                let show = |&bits: &u64| match ElementKind::of_typecode(*typecode) {
                    Some(ElementKind::Int(kind)) => kind.number(bits).to_string(),
                    Some(ElementKind::Float(kind)) => format!("{:?}", kind.number(bits)),
                    None => format!("{bits:#x}"),
                };
                let elements: Vec<String> = elements.iter().map(show).collect();
                format!("array {}({})", char::from(*typecode), elements.join(", "))
            }
            Kind::Method(items) => format!("method({})", show_all(items)),
            Kind::Cell(item) => format!("cell({})", show(*item)),
            Kind::Instance { class, inline, slots, .. } => {
                let attributes: Vec<Nullable> = inline.iter().flatten().chain(slots).copied().collect();
                format!("instance {}({})", show(Some(*class)), show_all(&attributes))
            }
            Kind::Dict { values, .. } => format!("dict({})", show_all(values)),
            Kind::Module(dict) => format!("module({})", show(*dict)),
            Kind::Function { version, .. } => format!("function version {version}"),
            Kind::ListIter(list, index) => format!("list_iter({}, {index})", show(*list)),
            Kind::TupleIter(tuple, index) => format!("tuple_iter({}, {index})", show(*tuple)),
            Kind::Generator(g) => {
                let state = match g.state {
                    0 => "runs",
                    1.. => "finished",
                    ..0 => "suspended",
                };
                format!("generator({} @ {} {state}, {})", g.code, g.pc, show_all(&g.slots))
            }
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
            let generator = f.generator.map_or("", |_| "generator ");
            let (locals, stack) = (self.show_all(&f.locals), self.show_all(&f.stack));
            format!("{} @ {} {function}{generator}locals [{locals}] stack [{stack}]", f.code, f.pc)
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
            Leave::Bridge(args) => {
                let args: Vec<String> = args.iter().map(|a| self.show_register(a)).collect();
                format!(", to a bridge with [{}]", args.join(", "))
            }
        };
        format!("{} {}: {}{where_to}", outcome.exit, outcome.reason.name(), outcome.resume.name())
    }
}
