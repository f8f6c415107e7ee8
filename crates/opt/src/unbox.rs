//! Unboxing: parameters of the loop that are boxes whenever the loop is entered or goes round become what is in them.
//!
//! # The transformation
//!
//! If the loop is entered with `box_i64 x` for parameter `p`, and goes round with `box_i64 y`, then `p` becomes `q: i64`, the arguments
//! become `x` and `y`, and the loop begins with `p = box_i64 q`. That moves the box from the end of one round to the beginning of the
//! next. Folding then finds that `unbox_i64 p` is `q`, and sinking that nobody needs the box.
//!
//! A parameter may also go round as another one: in `a, b = b, a + b`, what was `b` becomes `a`. So the set of parameters is found
//! optimistically: all that may be boxes of some kind, less those that get anything else, until it is stable.
//!
//! # References
//!
//! The superblock owned a reference to the argument, which became the parameter's. Now the argument stays behind, so its
//! reference is dropped in front of `enter_loop` and `jump_loop`, and the new box brings one of its own. That this is the account is
//! checked: at the end of the prefix or round, exactly one reference to the argument must be left.
//!
//! # Identity
//!
//! The object in the next round is another one than at the end of this round. Nobody may notice, so nobody else may have seen the old one: ops
//! other than those on references, guards and unboxing must not use the argument, and no other parameter may get it. (Snapshots
//! may name it: if such an exit is taken, there is no next round. Other code that sees published frames may keep what it sees; of an
//! object that is virtual by then, the check that follows notices that, and there is no next round either. `sink` makes it
//! virtual: what is private here is not built there.)
//!
//! True and False are unique, so for them none of this matters.

use crate::count::{counts, definition, total};
use crate::edit::{emit, keeps_frames, loop_params, set_loop_params};
use hotspur_ir::{Inst, Op, Superblock, Type, Value};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

/// What is in the box that an op makes.
fn boxed(inst: Option<&Inst>) -> Option<(Type, Value)> {
    if let Op::BoxI64 { value } = inst?.op {
        Some((Type::I64, value))
    } else if let Op::BoxF64 { value } = inst?.op {
        Some((Type::F64, value))
    } else if let Op::BoxBool { value } = inst?.op {
        Some((Type::Bool, value))
    } else {
        None
    }
}

/// Whether nobody but the superblock can know the object.
fn is_private(sb: &Superblock, v: Value) -> bool {
    sb.insts().all(|inst| {
        let mut uses = false;
        inst.op.each_value(|o| uses |= o == v);
        let harmless = counts(&inst.op, v)
            || matches!(
                inst.op,
                Op::EnterLoop { .. }
                    | Op::JumpLoop { .. }
                    | Op::UnboxI64 { .. }
                    | Op::UnboxWide { .. }
                    | Op::UnboxF64 { .. }
                    | Op::UnboxBool { .. }
                    | Op::GuardType { .. }
                    | Op::GuardTypeOrNull { .. }
                    | Op::GuardNotNull { .. }
                    | Op::GuardCompact { .. }
                    | Op::GuardWide { .. }
                    | Op::IsNull { .. }
            );
        !uses || harmless
    })
}

/// Unboxes parameters.
pub(crate) fn unbox(mut sb: Superblock) -> Superblock {
    let Some(body) = &sb.body else { return sb };
    if !keeps_frames(&body.insts) {
        return sb;
    }
    let params = loop_params(&sb);
    let mut times: HashMap<Value, usize> = HashMap::default();
    params.iter().flat_map(|&(_, e, j)| [e, j]).for_each(|v| *times.entry(v).or_default() += 1);
    let is_once = |v: Value| times[&v] == 1;
    let round = &body.insts;
    // What the loop is entered with says which kind of box it would be.
    let mut kinds: HashMap<Value, Type> = HashMap::default();
    for &(p, e, _) in &params {
        let Some((ty, _)) = boxed(definition(&sb, e)) else { continue };
        if ty == Type::Bool || is_once(e) && is_private(&sb, e) && total(&sb.prefix, e) == 1 {
            kinds.insert(p, ty);
        }
    }
    loop {
        let wrong: Vec<Value> = params
            .iter()
            .filter(|&&(p, _, j)| {
                let Some(&ty) = kinds.get(&p) else { return false };
                let fits = match boxed(round.iter().find(|i| i.result == Some(j))) {
                    Some((other, _)) => ty == other && (ty == Type::Bool || total(round, j) == 1),
                    // The parameter came with one reference, which must be left.
                    None => kinds.get(&j) == Some(&ty) && (ty == Type::Bool || total(round, j) == 0),
                };
                !(fits && (ty == Type::Bool || is_once(j) && is_private(&sb, j)))
            })
            .map(|p| p.0)
            .collect();
        // A parameter that is not passed on must have lost its reference.
        let kept = params.iter().map(|p| p.0).filter(|p| {
            let is_passed = params.iter().any(|&(_, _, j)| j == *p);
            kinds.get(p).is_some_and(|&ty| ty != Type::Bool) && !is_passed && total(round, *p) != -1
        });
        let wrong: HashSet<Value> = wrong.into_iter().chain(kept).collect();
        if wrong.is_empty() {
            break;
        }
        kinds.retain(|p, _| !wrong.contains(p));
    }
    if kinds.is_empty() {
        return sb;
    }
    let unboxed: HashMap<Value, Value> = params
        .iter()
        .filter_map(|p| kinds.get(&p.0).map(|&ty| (p.0, ty)))
        .map(|(p, ty)| (p, sb.values.push(ty)))
        .collect();
    rewrite(&mut sb, &params, &unboxed);
    sb
}

fn rewrite(sb: &mut Superblock, params: &[(Value, Value, Value)], unboxed: &HashMap<Value, Value>) {
    let inside = |sb: &Superblock, v: Value| {
        unboxed.get(&v).copied().or_else(|| boxed(definition(sb, v)).map(|(_, x)| x)).expect("it was seen to be a box")
    };
    let mut new_params = Vec::new();
    let (mut left_at_entry, mut left_in_round, mut head) = (Vec::new(), Vec::new(), Vec::new());
    for &(p, e, j) in params {
        let Some(&q) = unboxed.get(&p) else {
            new_params.push((p, e, j));
            continue;
        };
        new_params.push((q, inside(sb, e), inside(sb, j)));
        let ty = sb.values[q];
        let op = match ty {
            Type::I64 => Op::BoxI64 { value: q },
            Type::F64 => Op::BoxF64 { value: q },
            Type::Bool | Type::Obj | Type::Ptr => Op::BoxBool { value: q },
        };
        head.push(Inst { op, result: Some(p), snapshot: None });
        if ty != Type::Bool {
            left_at_entry.push(e);
            left_in_round.push(j);
        }
    }
    set_loop_params(sb, &new_params);
    let mut prefix = std::mem::take(&mut sb.prefix);
    let enter = prefix.pop();
    for value in left_at_entry {
        emit(sb, &mut prefix, Op::DecrefNoDealloc { value });
    }
    prefix.extend(enter);
    sb.prefix = prefix;
    let Some(mut body) = sb.body.take() else { return };
    let jump = body.insts.pop();
    for value in left_in_round {
        emit(sb, &mut body.insts, Op::DecrefNoDealloc { value });
    }
    body.insts.extend(jump);
    head.append(&mut body.insts);
    body.insts = head;
    sb.body = Some(body);
}
