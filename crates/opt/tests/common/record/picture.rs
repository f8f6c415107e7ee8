//! The picture of the frame: which value each slot holds, and who owns the references.

use super::{CODE, Content, Info, Kind, LOCALS, Recorder, Slot};
use hotspur_ir::{CodeRef, FrameState, ObjRef, Resume, Slot as SnapshotSlot, Snapshot, SnapshotId, Value};
use std::collections::HashSet;

impl Recorder<'_> {
    pub fn info(&mut self, v: Value) -> &mut Info {
        self.infos.get_mut(&v).expect("a value with information")
    }

    pub fn define(&mut self, v: Value, kind: Kind, is_guarded: bool) -> Value {
        self.infos.insert(v, Info { aliases: 0, owned: false, held: false, is_guarded, kind, unboxed: None });
        v
    }

    pub fn owned(&mut self, v: Value, kind: Kind) -> Value {
        self.define(v, kind, true);
        self.info(v).owned = true;
        v
    }

    pub fn borrowed(&mut self, v: Value, kind: Kind) -> Value {
        self.b.incref(v);
        self.define(v, kind, false);
        self.info(v).owned = true;
        v
    }

    pub fn constant(&mut self, object: u32, kind: Kind) -> Value {
        let v = self.b.const_obj(ObjRef::from_u32(object));
        self.define(v, kind, true);
        self.info(v).held = true;
        v
    }

    pub fn next(&mut self) {
        self.pc += 1;
        self.at = None;
    }

    fn slot(&mut self, i: usize, is_local: bool) -> &mut Slot {
        if is_local { &mut self.locals[i] } else { &mut self.stack[i] }
    }

    pub fn load(&mut self, i: usize, is_local: bool) -> Value {
        match self.slot(i, is_local).content {
            Content::Value(v) => v,
            Content::Null => panic!("nothing there"),
            Content::Memory => {
                let v = if is_local { self.b.load_local(0, i as u32) } else { self.b.load_stack(0, i as u32) };
                let kind = if is_local { self.kinds[i].clone() } else { Kind::Opaque };
                self.define(v, kind, false);
                self.info(v).aliases = 1;
                self.slot(i, is_local).content = Content::Value(v);
                v
            }
        }
    }

    pub fn vacate(&mut self, i: usize, is_local: bool) -> Value {
        let v = self.load(i, is_local);
        let home = self.slot(i, is_local).home;
        let info = self.info(v);
        info.aliases -= 1;
        info.owned |= home;
        *self.slot(i, is_local) = Slot { content: Content::Null, home: false };
        v
    }

    pub fn push(&mut self, v: Value) {
        self.info(v).aliases += 1;
        self.stack.push(Slot { content: Content::Value(v), home: false });
    }

    pub fn peek(&mut self, n: usize) -> Value {
        let i = self.stack.len() - n;
        self.load(i, false)
    }

    pub fn pop(&mut self) -> Value {
        let v = self.vacate(self.stack.len() - 1, false);
        self.stack.pop();
        v
    }

    pub fn release(&mut self, v: Value) {
        let info = self.info(v);
        if info.aliases == 0 && info.owned {
            info.owned = false;
            self.dead.push(v);
        }
    }

    pub fn take(&mut self, v: Value) -> Value {
        let info = self.info(v);
        if info.owned && info.aliases == 0 {
            info.owned = false;
        } else {
            self.b.incref(v);
        }
        v
    }

    pub fn drop_dead(&mut self) {
        let mut escaped = false;
        for v in std::mem::take(&mut self.dead) {
            let Info { kind, is_guarded, .. } = self.info(v).clone();
            if is_guarded && matches!(kind, Kind::Int | Kind::Float) {
                if self.rng.one_in(2) {
                    self.b.xdecref_no_dealloc(v)
                } else {
                    self.b.decref_no_dealloc(v)
                };
                continue;
            }
            if !escaped {
                self.snapshot(Resume::After);
                escaped = true;
            }
            if self.rng.one_in(2) {
                self.b.xdecref(v)
            } else {
                self.b.decref(v)
            };
        }
        if escaped {
            self.b.check_validity();
        }
    }

    pub fn at(&mut self) {
        if let Some(id) = self.at {
            self.b.set_snapshot(id);
        } else {
            self.at = Some(self.snapshot(Resume::At));
        }
    }

    pub fn snapshot(&mut self, resume: Resume) -> SnapshotId {
        let mut passed = HashSet::new();
        let infos = &self.infos;
        let mut slot = |s: &Slot| match s.content {
            _ if s.home => SnapshotSlot::Unchanged,
            Content::Memory => SnapshotSlot::Unchanged,
            Content::Null => SnapshotSlot::Null,
            Content::Value(v) if infos[&v].owned && passed.insert(v) => SnapshotSlot::Owned(v),
            Content::Value(v) => SnapshotSlot::Value(v),
        };
        let (locals, stack) = (self.locals.iter().map(&mut slot).collect(), self.stack.iter().map(&mut slot).collect());
        let frame =
            FrameState { code: CodeRef::from_u32(CODE), pc: self.pc, function: None, generator: None, locals, stack };
        self.b.snapshot(Snapshot::new(resume, vec![frame]))
    }

    pub fn flush(&mut self) {
        for (is_local, i) in (0..LOCALS).map(|i| (true, i)).chain((0..self.stack.len()).map(|i| (false, i))) {
            let Slot { content, home } = *self.slot(i, is_local);
            if home {
                continue;
            }
            let value = match content {
                Content::Null | Content::Memory => self.b.const_null(),
                Content::Value(v) => {
                    self.info(v).aliases -= 1;
                    if is_local {
                        self.kinds[i] = self.info(v).kind.clone();
                    }
                    self.take(v)
                }
            };
            if is_local {
                self.b.spill_local(0, i as u32, value);
            } else {
                self.b.spill_stack(0, i as u32, value);
            }
            let mut settled = Slot { content: Content::Memory, home: true };
            if let Content::Value(v) = content {
                let info = self.info(v);
                if info.aliases == 0 && !info.held {
                    info.aliases = 1;
                    settled.content = content;
                }
            }
            *self.slot(i, is_local) = settled;
        }
    }

    pub fn forget(&mut self) {
        self.locals.fill(Slot { content: Content::Memory, home: true });
        self.stack.fill(Slot { content: Content::Memory, home: true });
        for info in self.infos.values_mut() {
            (info.aliases, info.owned) = (0, false);
        }
        self.at = None;
    }
}
