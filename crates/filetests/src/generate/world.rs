//! Heaps that programs run on.

use cranelift_entity::EntityRef;
use hotspur_interp::toy::{Action, Generator, Kind, Toy, ToyFrame};
use hotspur_ir::{CodeRef, ObjRef};

/// Locals of the first frame.
pub(super) const LOCALS: usize = 3;
/// The code of the frame below the first one, if that is a generator's; it has as many locals. Where it is suspended.
pub(super) const BELOW: usize = 4;
pub(super) const BELOW_PC: u32 = 3;
/// Constants below this are objects without surprises: they may be anywhere.
pub(super) const SIMPLE: usize = 7;
pub(super) const INT: usize = 0;
pub(super) const FLOAT: usize = 1;
pub(super) const STR: usize = 2;
pub(super) const LIST: usize = 3;
pub(super) const TUPLE: usize = 4;
pub(super) const CELL: usize = 5;
pub(super) const INSTANCE: usize = 6;
pub(super) const FUNCTION: usize = 7;
pub(super) const INT_TYPE: usize = 8;
pub(super) const LIST_ITER: usize = 9;
pub(super) const TUPLE_ITER: usize = 10;
pub(super) const RANGE_ITER: usize = 11;
pub(super) const DICT: usize = 12;
pub(super) const POINT: usize = 13;
pub(super) const DOUBLES: usize = 14;
pub(super) const BYTES: usize = 15;
/// Constants from here to the next are functions that do something.
pub(super) const ACTIONS: usize = 16;
pub(super) const ACTIONS_END: usize = 21;

/// A heap at the start.
#[derive(Clone, Copy, Debug)]
pub struct World {
    raw: u32,
}

impl World {
    pub(super) fn new(raw: u32) -> World {
        World { raw }
    }

    /// Whether the first frame is a generator's.
    pub(super) fn begins_in_generator(self) -> bool {
        self.raw % 8 == 3
    }

    fn action(which: u32) -> Action {
        let object = |i: usize| ObjRef::new(i);
        match which % 5 {
            0 => Action::Return(object(INT)),
            1 => Action::Raise,
            2 => Action::SetLocal(0, (which / 5) as usize % LOCALS, object(STR)),
            3 => Action::KeepLocal(0, (which / 5) as usize % LOCALS),
            _ => Action::Invalidate,
        }
    }

    /// The heap, and the frame where the superblock begins.
    pub(super) fn toy(self, code: CodeRef, pc: u32) -> Toy {
        let mut toy = Toy::new();
        let define = |toy: &mut Toy, i: usize, kind: Kind| toy.define(ObjRef::new(i), kind);
        define(&mut toy, INT_TYPE, Kind::Type { name: "int".into(), version: 1 });
        define(&mut toy, POINT, Kind::Type { name: "Point".into(), version: 3 });
        let numbers = [5, -3, 1 << 40, 0, 63, 64, 1000];
        define(&mut toy, INT, Kind::Int(numbers[self.raw as usize % numbers.len()]));
        define(&mut toy, FLOAT, Kind::Float([2.5, -0.0, 1e300][self.raw as usize % 3]));
        define(&mut toy, STR, Kind::Str("s".into()));
        let reference = |toy: &mut Toy, i: usize| toy.reference(ObjRef::new(i));
        let [a, b, c, d, e, f, g] = [INT, STR, FLOAT, INT, STR, FLOAT, INT].map(|i| reference(&mut toy, i));
        let list = define(&mut toy, LIST, Kind::List(vec![a, b, c]));
        let tuple = define(&mut toy, TUPLE, Kind::Tuple(vec![d, e]));
        define(&mut toy, CELL, Kind::Cell(f));
        let class = toy.constant(ObjRef::new(POINT)).expect("defined above");
        let inline = Some(vec![g, None]);
        define(&mut toy, INSTANCE, Kind::Instance { class, inline, slots: vec![], finalizer: None });
        define(&mut toy, FUNCTION, Kind::Function { version: 9, action: Action::Return(ObjRef::new(INT)) });
        let (in_list, in_tuple) = (reference(&mut toy, LIST), reference(&mut toy, TUPLE));
        debug_assert_eq!((in_list, in_tuple), (Some(list), Some(tuple)));
        define(&mut toy, LIST_ITER, Kind::ListIter(in_list, 0));
        define(&mut toy, TUPLE_ITER, Kind::TupleIter(in_tuple, 1));
        let doubles = [1.5, -0.0, 1e300].map(f64::to_bits).to_vec();
        define(&mut toy, DOUBLES, Kind::Array { typecode: b'd', elements: doubles });
        define(&mut toy, BYTES, Kind::Array { typecode: b'b', elements: vec![1, 0xff, 0x80] });
        define(&mut toy, RANGE_ITER, Kind::RangeIter { next: 3, step: -2, left: i64::from(self.raw % 5) });
        let value = reference(&mut toy, INT);
        let dict = define(&mut toy, DICT, Kind::Dict { version: 1, keys: 2, values: vec![value, None] });
        toy.namespaces = [Some(dict); 2];
        for i in ACTIONS..ACTIONS_END {
            define(
                &mut toy,
                i,
                Kind::Function { version: 1, action: World::action((i - ACTIONS) as u32 + self.raw % 60 * 5) },
            );
        }
        // What the locals hold dies when the superblock drops it, and its finalizer does something.
        let locals = (0..LOCALS as u32).map(|i| {
            let which = self.raw.rotate_right(4 * i);
            if which.is_multiple_of(4) {
                return None;
            }
            let inline = Some(vec![toy.reference(ObjRef::new(STR)), None]);
            let finalizer = (which % 4 == 1).then(|| World::action(which / 4));
            let name = ObjRef::new(100 + i as usize);
            toy.define(name, Kind::Instance { class, inline, slots: vec![], finalizer });
            let local = toy.reference(name);
            toy.forget(name);
            local
        });
        let locals = locals.collect();
        toy.enter(code, pc, locals, vec![]);
        if self.begins_in_generator() {
            let generator = Generator { code, pc, function: None, state: 0, slots: vec![] };
            let name = ObjRef::new(200);
            let generator = toy.define(name, Kind::Generator(generator));
            let locals = (0..LOCALS).map(|_| toy.reference(ObjRef::new(STR))).collect();
            let stack = vec![toy.reference(name)];
            toy.forget(name);
            let (code, pc) = (CodeRef::new(BELOW), BELOW_PC);
            toy.enter_generator(generator, ToyFrame { code, pc, function: None, locals, stack, generator: None });
        }
        toy.periods = u64::from(self.raw % 7);
        toy
    }
}
