//! Objects and references.

use super::{Cell, Kind, Nullable, Toy, ToyRef};
use std::collections::BTreeMap;

impl Kind {
    /// The name of the object's type, unless it is an instance of a class.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Kind::Type { .. } => "type",
            Kind::None => "NoneType",
            Kind::Bool(_) => "bool",
            Kind::Int(_) => "int",
            Kind::Float(_) => "float",
            Kind::Str(_) => "str",
            Kind::Tuple(_) => "tuple",
            Kind::List(_) => "list",
            Kind::Slice(_) => "slice",
            Kind::Range(_) => "range",
            Kind::Array { .. } => "array",
            Kind::Method(_) => "method",
            Kind::Cell(_) => "cell",
            Kind::Instance { .. } => "object",
            Kind::Dict { .. } => "dict",
            Kind::Module(_) => "module",
            Kind::Function { .. } => "function",
            Kind::ListIter(..) => "list_iterator",
            Kind::TupleIter(..) => "tuple_iterator",
            Kind::RangeIter { .. } => "range_iterator",
            Kind::Generator(_) => "generator",
        }
    }

    /// Whether references to it are not counted.
    pub(super) fn is_immortal(&self) -> bool {
        matches!(self, Kind::Type { .. } | Kind::None | Kind::Bool(_))
            || matches!(self, Kind::Tuple(items) if items.is_empty())
    }

    /// References that the object owns, except to its class, in the order in which CPython drops them.
    pub(super) fn references(&self) -> Vec<ToyRef> {
        let items: Vec<Nullable> = match self {
            Kind::Tuple(items) | Kind::List(items) => items.iter().rev().copied().collect(),
            Kind::Slice([start, stop, step]) => vec![*step, *start, *stop],
            Kind::Method(items) => items.to_vec(),
            Kind::Cell(item) | Kind::Module(item) | Kind::ListIter(item, _) | Kind::TupleIter(item, _) => vec![*item],
            Kind::Instance { inline, slots, .. } => inline.iter().flatten().chain(slots).copied().collect(),
            Kind::Dict { values, .. } => values.clone(),
            Kind::Generator(g) => g.slots.iter().copied().chain([g.function]).collect(),
            Kind::Type { .. }
            | Kind::None
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Str(_)
            | Kind::Function { .. }
            | Kind::Range(_)
            | Kind::Array { .. }
            | Kind::RangeIter { .. } => Vec::new(),
        };
        items.into_iter().flatten().collect()
    }
}

impl Toy {
    /// A new object with one reference. References in it pass to it.
    pub(super) fn alloc(&mut self, kind: Kind) -> ToyRef {
        self.objects.push(Cell { kind, count: 1, freed: false, class: None });
        ToyRef(self.objects.len() as u32 - 1)
    }

    /// The object of which there is one only.
    pub(super) fn singleton(&mut self, kind: Kind) -> ToyRef {
        let found = self.objects.iter().position(|c| c.kind == kind);
        found.map_or_else(|| self.alloc(kind), |i| ToyRef(i as u32))
    }

    /// The type with this name, made if need be.
    pub(super) fn type_named(&mut self, name: &str) -> ToyRef {
        if let Some(&known) = self.types.get(name) {
            return known;
        }
        let object = self.alloc(Kind::Type { name: name.into(), version: 1 });
        self.types.insert(name.into(), object);
        object
    }

    /// The object's type.
    pub(super) fn class_of(&mut self, object: ToyRef) -> ToyRef {
        if let Kind::Instance { class, .. } = *self.look(object) {
            return class;
        }
        let name = self.look(object).type_name();
        self.type_named(name)
    }

    /// The object, which must not have been freed.
    pub(super) fn look(&mut self, object: ToyRef) -> &mut Kind {
        if self.objects[object.0 as usize].freed {
            self.fault("used after it was freed", object);
        }
        &mut self.objects[object.0 as usize].kind
    }

    /// Notes a violation.
    pub(super) fn fault(&mut self, what: &str, object: ToyRef) {
        let message = format!("{}: {what}", self.show(Some(object)));
        self.faults.push(message);
    }

    /// How many references there are: of an immortal object, any number.
    pub(super) fn count(&self, object: ToyRef) -> usize {
        let cell = &self.objects[object.0 as usize];
        if cell.kind.is_immortal() { usize::MAX } else { cell.count }
    }

    /// Takes or drops a reference, without freeing. Whether one is left.
    pub(super) fn adjust(&mut self, object: ToyRef, by: isize) -> bool {
        let cell = &mut self.objects[object.0 as usize];
        if cell.kind.is_immortal() {
            return true;
        }
        if cell.freed {
            self.fault(if by > 0 { "referred to after it was freed" } else { "freed twice" }, object);
            return true;
        }
        cell.count = cell.count.saturating_add_signed(by);
        cell.count > 0
    }

    /// Drops a reference, without freeing. Whether none is left.
    pub fn drop_reference(&mut self, object: ToyRef) -> bool {
        !self.adjust(object, -1)
    }

    /// Drops a reference, and frees the object if that was the last.
    pub(super) fn release(&mut self, object: ToyRef) {
        if self.drop_reference(object) {
            self.dealloc(object);
        }
    }

    /// Frees an object to which there is no reference left.
    pub fn dealloc(&mut self, object: ToyRef) {
        if let Kind::Instance { finalizer: Some(action), .. } = *self.look(object) {
            // The finalizer runs while the object is alive.
            self.adjust(object, 1);
            let what = format!("finalizer of {}", self.show(Some(object)));
            // What it returns is dropped; what it raises is nobody's business.
            if let Ok(result) = self.act(&what, action) {
                self.release(result);
            }
            if self.adjust(object, -1) {
                return;
            }
        }
        let inner = self.objects[object.0 as usize].kind.references();
        let message = format!("freed {}", self.show(Some(object)));
        self.log.push(message);
        self.objects[object.0 as usize].freed = true;
        inner.into_iter().for_each(|o| self.release(o));
    }

    /// Compares each object's count with the references there are: in constants, frames, other objects, what was kept,
    /// and `more`. Every difference is a message.
    pub fn check(&self, more: &[ToyRef]) -> Vec<String> {
        let mut found: BTreeMap<ToyRef, usize> = BTreeMap::new();
        let mut add = |o: ToyRef| *found.entry(o).or_default() += 1;
        self.constants.values().copied().for_each(&mut add);
        self.kept.iter().chain(more).copied().for_each(&mut add);
        for frame in self.frames.iter().chain(&self.below) {
            frame.function.iter().chain(frame.locals.iter().chain(&frame.stack).flatten()).copied().for_each(&mut add);
        }
        for cell in self.objects.iter().filter(|c| !c.freed) {
            cell.kind.references().into_iter().for_each(&mut add);
        }
        let mut messages = self.faults.clone();
        for (i, cell) in self.objects.iter().enumerate() {
            let object = ToyRef(i as u32);
            let there_are = found.get(&object).copied().unwrap_or(0);
            let name = self.show(Some(object));
            if cell.kind.is_immortal() {
                continue;
            } else if cell.freed && there_are > 0 {
                messages.push(format!("{name}: freed, and there are references: {there_are}"));
            } else if !cell.freed && cell.count > there_are {
                messages.push(format!("{name}: leaked, count {} and references {there_are}", cell.count));
            } else if !cell.freed && cell.count < there_are {
                messages.push(format!("{name}: count {} and references {there_are}", cell.count));
            }
        }
        messages
    }
}
