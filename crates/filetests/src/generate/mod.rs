//! Random superblocks that the verifier accepts and that treat references rightly, with heaps to run them on.
//!
//! [`generate`] makes a program from raw numbers, any of them: each step of [`Recipe`] becomes a few ops that fit the
//! state of the `Model`, which knows what a recorder knows: what each slot of each frame holds, which values there
//! are, which references the superblock owns. So ownership is right by construction, and a fault or a leak in a run is
//! a bug of an engine (or of the generator). Exits are frequent: most guards compare with values that are not known to
//! the generator.
//!
//! Where the rules come from: references that are owned are on the stack of the top frame in every snapshot (`own`).
//! Values that are only borrowed are forgotten when other code may have run. A loop has a counter, so every program
//! ends.

mod control;
mod generators;
mod ops;
mod world;

use cranelift_entity::EntityRef;
use generators::Running;
use hotspur_interp::toy::{Step, Toy, ToyRef};
use hotspur_ir::*;
use std::collections::BTreeMap;
pub use world::World;

/// What a program is made from.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Steps before the loop: which, and a number that each uses as it likes.
    pub prefix: Vec<(u8, u32)>,
    /// Steps in the loop, if there is one.
    pub body: Option<Vec<(u8, u32)>>,
    /// How it ends.
    pub end: u8,
    /// How the heap and the frame are at the start.
    pub world: u32,
    /// Which instruction that tier 1 executes does something else than expected, if one does.
    pub surprise: Option<(u8, u8)>,
}

/// A program and what it runs on.
#[derive(Clone, Debug)]
pub struct Program {
    /// The superblock.
    pub superblock: Superblock,
    /// What instructions do that tier 1 executes.
    pub script: Vec<Step>,
    world: World,
}

impl Program {
    /// A heap and a frame at the start.
    pub fn toy(&self) -> Toy {
        let mut toy = self.world.toy(self.superblock.code, self.superblock.pc);
        toy.script.clone_from(&self.script);
        toy
    }

    /// No arguments: these superblocks have no parameters.
    pub fn args(&self) -> Vec<hotspur_interp::Register<ToyRef>> {
        Vec::new()
    }
}

/// A frame in memory.
#[derive(Clone, Debug)]
struct FrameModel {
    code: CodeRef,
    pc: u32,
    /// What snapshots say of locals.
    locals: Vec<Slot>,
    /// How many items are on its stack in memory.
    stack: usize,
}

/// The state while a program is made.
struct Model {
    b: Builder,
    frames: Vec<FrameModel>,
    /// Unboxed values that there are, by type.
    ints: Vec<Value>,
    floats: Vec<Value>,
    bools: Vec<Value>,
    /// Objects that are always alive, by number.
    constants: Vec<Value>,
    /// Objects, not null, that something else owns.
    borrowed: Vec<Value>,
    /// References that the superblock owns.
    owned: Vec<Value>,
    /// A generator that runs.
    running: Option<Running>,
    script: Vec<Step>,
    /// Whether instructions that tier 1 executes are allowed: the script is repeated, so only in one of the sections.
    may_execute: bool,
    next_pc: u32,
    /// Random numbers of the current step.
    raw: u32,
}

impl Model {
    /// A number below `n` from the current step.
    fn pick(&mut self, n: usize) -> usize {
        let picked = self.raw as usize % n;
        self.raw = (self.raw / n as u32).wrapping_mul(0x9e37_79b9).rotate_left(11);
        picked
    }

    fn any(&mut self, values: fn(&Model) -> &Vec<Value>) -> Value {
        let n = values(self).len();
        let i = self.pick(n);
        values(self)[i]
    }

    fn int(&mut self) -> Value {
        self.any(|m| &m.ints)
    }

    fn float(&mut self) -> Value {
        self.any(|m| &m.floats)
    }

    fn truth(&mut self) -> Value {
        self.any(|m| &m.bools)
    }

    fn unboxed(&mut self) -> Value {
        match self.pick(3) {
            0 => self.int(),
            1 => self.float(),
            _ => self.truth(),
        }
    }

    /// A constant object.
    fn constant(&mut self) -> Value {
        let i = self.pick(world::SIMPLE);
        self.constants[i]
    }

    /// Some object that is not null, borrowed or owned.
    fn object(&mut self) -> Value {
        let all: Vec<Value> = self.borrowed.iter().chain(&self.owned).copied().collect();
        if all.is_empty() || self.pick(3) == 0 { self.constant() } else { all[self.pick(all.len())] }
    }

    /// A reference that is to be given away.
    fn reference(&mut self) -> Value {
        if !self.owned.is_empty() && self.pick(2) == 0 {
            let i = self.pick(self.owned.len());
            let object = self.owned.swap_remove(i);
            // As a bridge takes over what its exit held.
            return if self.pick(4) == 0 { self.b.adopt(object) } else { object };
        }
        let object = self.object();
        self.b.incref(object);
        object
    }

    fn top(&mut self) -> &mut FrameModel {
        self.frames.last_mut().expect("there is always a frame")
    }

    /// A field of a virtual object, or a slot that owns nothing.
    fn field(&mut self, depth: usize) -> Slot {
        match self.pick(5) {
            0 => Slot::Null,
            1 => Slot::Value(self.constant()),
            2 if depth < 3 => Slot::Virtual(self.virtual_object(depth)),
            _ => Slot::Value(self.unboxed()),
        }
    }

    fn virtual_object(&mut self, depth: usize) -> VirtualId {
        // One that a local names already is shared.
        let named: Vec<VirtualId> =
            self.top().locals.iter().filter_map(|s| if let Slot::Virtual(id) = *s { Some(id) } else { None }).collect();
        if !named.is_empty() && self.pick(3) == 0 {
            return named[self.pick(named.len())];
        }
        if depth < 2 && self.pick(4) == 0 {
            let inner = self.virtual_object(depth + 1);
            let fields = vec![Slot::Virtual(inner), Slot::Virtual(inner)];
            return self.b.virtual_object(Virtual { kind: VirtualKind::Tuple, fields });
        }
        let kinds = [
            VirtualKind::Tuple,
            VirtualKind::List,
            VirtualKind::Slice,
            VirtualKind::Cell,
            VirtualKind::RangeIter,
            VirtualKind::Tuple,
            VirtualKind::Int,
            VirtualKind::Float,
            VirtualKind::BoundMethod,
        ];
        let kind = kinds[self.pick(kinds.len())];
        let fields = match kind {
            VirtualKind::Int => vec![Slot::Value(self.int())],
            VirtualKind::Float => vec![Slot::Value(self.float())],
            VirtualKind::BoundMethod => (0..2).map(|_| Slot::Value(self.constant())).collect(),
            VirtualKind::RangeIter => (0..3).map(|_| Slot::Value(self.int())).collect(),
            VirtualKind::Slice => (0..3).map(|_| self.field(depth + 1)).collect(),
            VirtualKind::Cell => vec![self.field(depth + 1)],
            _ => (0..self.pick(4)).map(|_| self.field(depth + 1)).collect(),
        };
        self.b.virtual_object(Virtual { kind, fields })
    }

    /// The frames as they are, with more on the stack of the top one, at a position.
    fn frames_at(&mut self, pc: u32, more: &[Slot]) -> Vec<FrameState> {
        self.top().pc = pc;
        let owned = self.owned.clone();
        let last = self.frames.len() - 1;
        let running = self.running;
        let state = |(i, f): (usize, &FrameModel)| {
            let mut stack = vec![Slot::Unchanged; f.stack];
            stack.extend(running.filter(|r| r.is_owned && r.depth == i).map(|r| Slot::Owned(r.generator)));
            if i == last {
                stack.extend(owned.iter().map(|&v| Slot::Owned(v)));
                stack.extend(more);
            }
            FrameState { code: f.code, pc: f.pc, function: None, generator: None, locals: f.locals.clone(), stack }
        };
        let mut frames: Vec<FrameState> = self.frames.iter().enumerate().map(state).collect();
        if let Some(running) = running.filter(|r| r.depth == last) {
            frames.push(running.frame(pc));
        }
        frames
    }

    /// Makes a snapshot of what is, the one that ops name from now on. Sometimes there is a virtual frame above.
    fn snapshot(&mut self, resume: Resume, pc: u32, more: &[Slot]) -> SnapshotId {
        let mut more = more.to_vec();
        if self.pick(4) == 0 {
            more.push(self.field(0));
        }
        let mut frames = self.frames_at(pc, &more);
        if self.pick(4) == 0 {
            let function = self.constants[world::FUNCTION];
            let locals = (0..self.pick(3)).map(|_| self.field(1)).collect();
            let (code, function) = (CodeRef::new(7), Some(Slot::Value(function)));
            frames.push(FrameState { code, pc: 1, function, generator: None, locals, stack: vec![] });
        }
        self.b.snapshot(Snapshot::new(resume, frames))
    }

    /// A snapshot at the next position.
    fn at(&mut self) -> u32 {
        self.next_pc += 1;
        let pc = self.next_pc;
        self.snapshot(Resume::At, pc, &[]);
        pc
    }

    /// Drops a reference that has been taken from `owned` already; it may be null. Other code may run.
    fn drop_reference(&mut self, value: Value, may_be_null: bool) {
        self.next_pc += 1;
        let pc = self.next_pc;
        self.borrowed.clear();
        self.snapshot(Resume::After, pc, &[]);
        if may_be_null {
            self.b.xdecref(value);
        } else {
            self.b.decref(value);
        }
    }

    /// After other code may have run. The snapshot is the one of the op that ran it.
    fn check_validity(&mut self) {
        self.b.check_validity();
    }

    /// The content of a local becomes another; what was there is dropped.
    fn set_local(&mut self, index: usize, content: Slot) {
        match self.top().locals[index] {
            Slot::Unchanged => {
                let depth = self.frames.len() as u32 - 1;
                let old = self.b.load_local(depth, index as u32);
                self.top().locals[index] = content;
                self.drop_reference(old, true);
                self.check_validity();
            }
            Slot::Owned(v) => {
                self.top().locals[index] = content;
                self.owned.push(v);
            }
            Slot::Null | Slot::Value(_) | Slot::Virtual(_) => self.top().locals[index] = content,
        }
    }

    /// A virtual object like this one, with copies of those within it.
    fn copy(&mut self, id: VirtualId, copies: &mut BTreeMap<VirtualId, VirtualId>) -> VirtualId {
        if let Some(&copy) = copies.get(&id) {
            return copy;
        }
        let mut object = self.b.superblock().virtuals[id].clone();
        for field in &mut object.fields {
            if let Slot::Virtual(inner) = *field {
                *field = Slot::Virtual(self.copy(inner, copies));
            }
        }
        let copy = self.b.virtual_object(object);
        copies.insert(id, copy);
        copy
    }

    /// A reference to the content of a slot that is not in memory.
    fn content(&mut self, slot: Slot) -> Value {
        match slot {
            Slot::Unchanged | Slot::Null => self.b.const_null(),
            Slot::Owned(v) => v,
            Slot::Virtual(id) => {
                // Once materialized it is dead, and other slots may name it: this builds another one like it.
                let copy = self.copy(id, &mut BTreeMap::new());
                self.b.materialize(copy)
            }
            Slot::Value(v) => match self.b.superblock().values[v] {
                Type::I64 => self.b.box_i64(v),
                Type::F64 => self.b.box_f64(v),
                Type::Bool => {
                    let object = self.b.box_bool(v);
                    self.b.incref(object);
                    object
                }
                Type::Obj | Type::Ptr => {
                    self.b.incref(v);
                    v
                }
            },
        }
    }

    /// Writes everything of the frames from this depth to memory.
    fn flush(&mut self, from: usize) {
        for depth in from..self.frames.len() {
            for i in 0..self.frames[depth].locals.len() {
                let slot = self.frames[depth].locals[i];
                if slot != Slot::Unchanged {
                    let value = self.content(slot);
                    self.b.spill_local(depth as u32, i as u32, value);
                    self.frames[depth].locals[i] = Slot::Unchanged;
                }
            }
        }
    }

    /// Writes what is owned to the stack of the top frame.
    fn flush_owned(&mut self) {
        let depth = self.frames.len() - 1;
        for v in std::mem::take(&mut self.owned) {
            let index = self.frames[depth].stack;
            self.b.spill_stack(depth as u32, index as u32, v);
            self.frames[depth].stack += 1;
        }
    }

    /// A frame that was pushed is left.
    fn pop(&mut self) {
        let depth = self.frames.len() - 1;
        self.flush(depth);
        // What is owned stays with the superblock: for the time of the op, the snapshot has it in the frame below.
        self.next_pc += 1;
        let pc = self.next_pc;
        self.top().pc = pc;
        let owned: Vec<Slot> = self.owned.iter().map(|&v| Slot::Owned(v)).collect();
        let mut frames = self.frames_at(pc, &[]);
        let stack = self.frames[depth].stack;
        frames[depth].stack.truncate(stack);
        frames[depth - 1].stack.extend(owned);
        self.b.snapshot(Snapshot::new(Resume::At, frames));
        self.b.pop_frame();
        self.frames.pop();
        self.borrowed.clear();
        self.snapshot(Resume::After, pc, &[]);
        self.check_validity();
    }
}

/// How often a loop goes round at most.
const ROUNDS: i64 = 5;

/// Makes a program.
pub fn generate(recipe: &Recipe) -> Program {
    let world = World::new(recipe.world);
    let code = CodeRef::new(0);
    let locals = vec![Slot::Unchanged; world::LOCALS];
    let mut m = Model {
        b: Builder::new(code, 0),
        frames: vec![FrameModel { code, pc: 0, locals, stack: 0 }],
        ints: vec![],
        floats: vec![],
        bools: vec![],
        constants: vec![],
        borrowed: vec![],
        owned: vec![],
        running: None,
        script: vec![],
        may_execute: recipe.body.is_none() || recipe.end.is_multiple_of(2),
        next_pc: 0,
        raw: recipe.world,
    };
    // The first two are indices.
    let ints = [0, 1, -1, 7, i64::MAX, i64::MIN, -12_345].map(|n| m.b.const_i64(n));
    m.ints.extend(ints);
    let floats = [0.0, -0.0, 1.5, -2.25, f64::INFINITY, f64::NAN].map(|x| m.b.const_f64(x.into()));
    m.floats.extend(floats);
    let bools = [false, true].map(|t| m.b.const_bool(t));
    m.bools.extend(bools);
    m.constants = (0..=world::FUNCTION).map(|i| m.b.const_obj(ObjRef::new(i))).collect();
    // Numbers that the compiler does not know.
    m.at();
    m.b.guard_compact(m.constants[world::INT]);
    let (n, x) = (m.b.unbox_i64(m.constants[world::INT]), m.b.unbox_f64(m.constants[world::FLOAT]));
    m.ints.extend([n; 4]);
    m.floats.extend([x; 2]);
    if world.begins_in_generator() {
        m.follow();
    }
    recipe.prefix.iter().for_each(|&s| m.step(s));
    match &recipe.body {
        None => m.end(recipe.end),
        Some(steps) => {
            m.may_execute = !m.may_execute;
            m.run_loop(steps);
        }
    }
    if let Some((which, how)) = recipe.surprise
        && !m.script.is_empty()
    {
        let which = usize::from(which) % m.script.len();
        m.script[which] = match how % 4 {
            0 => Step::Raises,
            1 => Step::Stays(999, vec![]),
            2 => Step::Returns(999, vec![]),
            _ => Step::Acts(999, vec![], hotspur_interp::toy::Action::Invalidate),
        };
    }
    Program { superblock: m.b.finish(), script: m.script, world }
}

impl Model {
    fn run_loop(&mut self, steps: &[(u8, u32)]) {
        while self.frames.len() > 1 {
            self.pop();
        }
        let promoted = match self.frames[0].locals[0] {
            Slot::Value(v) if self.b.superblock().values[v] != Type::Obj => Some(v),
            _ => None,
        };
        if promoted.is_some() {
            self.top().locals[0] = Slot::Null;
        }
        self.flush(0);
        let zero = self.b.const_i64(0);
        let limit = self.b.const_i64(ROUNDS);
        let one = self.b.const_i64(1);
        let mut args = vec![zero, self.int(), self.float(), self.truth()];
        args.extend(promoted);
        args.extend(&self.owned);
        self.b.enter_loop(&args);
        self.b.begin_loop();
        let types: Vec<Type> = args.iter().map(|&v| self.b.superblock().values[v]).collect();
        let params: Vec<Value> = types.iter().map(|&ty| self.b.param(ty)).collect();
        self.borrowed.clear();
        self.ints.push(params[1]);
        self.floats.push(params[2]);
        self.bools.push(params[3]);
        if promoted.is_some() {
            self.top().locals[0] = Slot::Value(params[4]);
        }
        let first_owned = 4 + usize::from(promoted.is_some());
        let stack = self.frames[0].stack;
        self.owned = params[first_owned..].to_vec();
        self.at();
        self.b.guard_cmp_i64(Cond::Lt, params[0], limit);
        steps.iter().for_each(|&s| self.step(s));
        // Back to what the header expects.
        while self.frames.len() > 1 {
            self.pop();
        }
        if self.frames[0].stack != stack {
            self.execute_here(stack);
        }
        while self.owned.len() > params.len() - first_owned {
            let v = self.owned.pop().expect("longer than something");
            self.drop_reference(v, false);
            self.check_validity();
        }
        while self.owned.len() < params.len() - first_owned {
            let v = self.constant();
            self.b.incref(v);
            self.owned.push(v);
        }
        let count = self.b.add_i64(params[0], one);
        let mut args = vec![count, self.int(), self.float(), self.truth()];
        if promoted.is_some() {
            let v = match types[4] {
                Type::I64 => self.int(),
                Type::F64 => self.float(),
                Type::Bool | Type::Obj | Type::Ptr => self.truth(),
            };
            self.set_local(0, Slot::Value(v));
            // Setting it may have brought another reference.
            while self.owned.len() > params.len() - first_owned {
                let v = self.owned.pop().expect("longer than something");
                self.drop_reference(v, false);
                self.check_validity();
            }
            self.top().locals[0] = Slot::Unchanged;
            self.flush(0);
            args.push(v);
        } else {
            self.flush(0);
        }
        args.extend(&self.owned);
        self.b.jump_loop(&args);
    }
}
