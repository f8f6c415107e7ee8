//! Code that reads and writes objects by itself.

#[allow(dead_code, reason = "no test uses all of it")]
mod native;

use native::{FALSE, Given, TRUE, address, run, words};

/// Runs ops on parameters, then leaves with these values.
fn ops(params: &str, ops: &str, values: &str, given: &Given<'_>) -> native::Ran {
    let text = format!(
        "superblock code0 @ 0 ({params}) {{\n{ops}\nexit end_of_trace [snap1]\n}}\n\
         snap0 = at code0 @ 0 locals [_, _] stack []\nsnap1 = at code0 @ 9 locals [_, _] stack [{values}]\n\
         snap2 = after code0 @ 3 locals [_, _] stack []\nsnap3 = at code0 @ 5 locals [_, _] stack []\n\
         snap4 = raise code0 @ 6 locals [_, _] stack []\n"
    );
    run(&text, given)
}

/// The same, without exits on the way.
fn yields(params: &str, text: &str, values: &str, given: &Given<'_>) -> Vec<u64> {
    let ran = ops(params, text, values, given);
    assert_eq!(ran.notes.calls, vec![]);
    ran.live
}

/// Whether the guard passes.
fn passes(params: &str, guard: &str, given: &Given<'_>) -> bool {
    let ran = ops(params, guard, "", given);
    assert_eq!(ran.notes.calls, vec![]);
    ran.exit == ran.code.exits.len() - 1
}

#[test]
fn guards() {
    let keys = words(&[0, 77 << 32]);
    let class = words(&[1, 0, 5, address(&keys)]);
    let object = words(&[1, address(&class), 1 << 24, 1 << 3, address(&keys)]);
    let function = words(&[1, 0, 0, 123]);
    let given = |args| Given { args, objects: &[], ..Given::default() };
    let (o, f) = ([address(&object)], [address(&function)]);
    assert!(passes("v0: obj", "guard_type_version v0, 5 [snap0]", &given(&o)));
    assert!(!passes("v0: obj", "guard_type_version v0, 6 [snap0]", &given(&o)));
    let c = [address(&class)];
    assert!(passes("v0: obj", "guard_class_version v0, 5 [snap0]", &given(&c)));
    assert!(!passes("v0: obj", "guard_class_version v0, 6 [snap0]", &given(&c)));
    assert!(passes("v0: obj", "guard_shared_keys_version v0, 77 [snap0]", &given(&o)));
    assert!(!passes("v0: obj", "guard_shared_keys_version v0, 78 [snap0]", &given(&o)));
    assert!(passes("v0: obj", "guard_instance_keys_version v0, 77 [snap0]", &given(&c)));
    assert!(!passes("v0: obj", "guard_instance_keys_version v0, 78 [snap0]", &given(&c)));
    assert!(passes("v0: obj", "guard_keys_version v0, 77 [snap0]", &given(&o)));
    assert!(!passes("v0: obj", "guard_keys_version v0, 1 [snap0]", &given(&o)));
    assert!(passes("v0: obj", "guard_function_version v0, 123 [snap0]", &given(&f)));
    assert!(!passes("v0: obj", "guard_function_version v0, 124 [snap0]", &given(&f)));
    assert!(passes("v0: obj", "guard_inline_values v0 [snap0]", &given(&o)));
    assert!(!passes("v0: obj", "guard_inline_values v0 [snap0]", &given(&f)));
    let typed = Given { args: &o, objects: &[address(&class), address(&object)], ..Given::default() };
    assert!(passes("v0: obj", "guard_type v0, obj0 [snap0]", &typed));
    assert!(!passes("v0: obj", "guard_type v0, obj1 [snap0]", &typed));
    assert!(passes("v0: obj", "guard_is v0, obj1 [snap0]", &typed));
    assert!(!passes("v0: obj", "guard_is v0, obj0 [snap0]", &typed));
}

/// A version with the high bit set is one like all others.
#[test]
fn versions_are_compared_as_they_are() {
    let class = words(&[1, 0, 0xffff_fff0]);
    let object = words(&[1, address(&class)]);
    let args = [address(&object)];
    let given = Given { args: &args, ..Given::default() };
    assert!(passes("v0: obj", "guard_type_version v0, 4294967280 [snap0]", &given));
    assert!(!passes("v0: obj", "guard_type_version v0, 240 [snap0]", &given));
}

#[test]
fn numbers() {
    // One digit and the tag: positive, zero, negative; then two digits.
    for (tag, digit, value) in [(8, 5, 5), (1, 0, 0), (10, 7, -7_i64), (8, (1 << 30) - 1, (1 << 30) - 1)] {
        let int = words(&[1, 0, tag, digit]);
        let given = Given { args: &[address(&int)], ..Given::default() };
        let guarded = "guard_compact v0 [snap0]\nv1 = unbox_i64 v0";
        assert_eq!(yields("v0: obj", guarded, "v1", &given), [value as u64]);
    }
    for tag in [16, 18, 24] {
        let large = words(&[1, 0, tag, 5 | 3 << 32]);
        let given = Given { args: &[address(&large)], ..Given::default() };
        assert!(!passes("v0: obj", "guard_compact v0 [snap0]", &given));
        assert_eq!(passes("v0: obj", "guard_wide v0 [snap0]", &given), tag < 24);
    }
    // What is behind the only digit does not count.
    let digits = 5 | 3 << 32;
    for (tag, value) in [(8, 5), (10, -5_i64), (16, 5 | 3 << 30), (18, -(5 | 3 << 30))] {
        let int = words(&[1, 0, tag, digits]);
        let given = Given { args: &[address(&int)], ..Given::default() };
        let guarded = "guard_wide v0 [snap0]\nv1 = unbox_wide v0";
        assert_eq!(yields("v0: obj", guarded, "v1", &given), [value as u64]);
    }
    let float = words(&[1, 0, 1.5_f64.to_bits()]);
    let given = Given { args: &[address(&float)], ..Given::default() };
    assert_eq!(yields("v0: obj", "v1 = unbox_f64 v0", "v1", &given), [1.5_f64.to_bits()]);
    for (object, truth) in [(TRUE, 1), (FALSE, 0)] {
        let given = Given { args: &[object], ..Given::default() };
        let live = yields("v0: obj", "v1 = unbox_bool v0\nv2 = box_bool v1", "v1, v2", &given);
        assert_eq!((live[0] & 0xff, live[1]), (truth, object));
    }
}

#[test]
fn containers() {
    let items = words(&[11, 22, 33]);
    let list = words(&[1, 0, 3, address(&items)]);
    let given = Given { args: &[address(&list), 2, 99], ..Given::default() };
    let text = "v3 = list_len v0\nv4 = list_items v0\nv5 = load_item v4, v1\nv6 = const_i64 1\nv7 = load_item v4, v6\n\
                store_item v4, v1, v2\nstore_item v4, v6, v2";
    assert_eq!(yields("v0: obj, v1: i64, v2: obj", text, "v3, v5, v7", &given), [3, 33, 22]);
    assert_eq!([0, 1, 2].map(|i| items.at(i)), [11, 99, 99]);
    let tuple = words(&[1, 0, 2, 44, 55]);
    let given = Given { args: &[address(&tuple), 1], ..Given::default() };
    let text = "v2 = tuple_len v0\nv3 = load_tuple_item v0, v1\nv4 = const_i64 0\nv5 = load_tuple_item v0, v4";
    assert_eq!(yields("v0: obj, v1: i64", text, "v2, v3, v5", &given), [2, 55, 44]);
    let cell = words(&[1, 0, 66]);
    let given = Given { args: &[address(&cell), 77], ..Given::default() };
    assert_eq!(yields("v0: obj, v1: obj", "v2 = load_cell v0\nstore_cell v0, v1", "v2", &given), [66]);
    assert_eq!(cell.at(2), 77);
    let module = words(&[1, 0, 88]);
    let given = Given { args: &[address(&module)], ..Given::default() };
    assert_eq!(yields("v0: obj", "v1 = module_dict v0", "v1", &given), [88]);
}

#[test]
fn arrays() {
    let (descr, elements) = (words(&[100]), words(&[1.5_f64.to_bits(), 2.5_f64.to_bits()]));
    let array = words(&[1, 0, 2, address(&elements), 0, address(&descr)]);
    let args = [address(&array), 1, 0.1_f64.to_bits()];
    let given = Given { args: &args, ..Given::default() };
    assert!(!passes("v0: obj", "guard_typecode v0, 102 [snap0]", &given));
    let text = "guard_typecode v0, 100 [snap0]\nv3 = array_len v0\nv4 = array_elements v0, 24\nv5 = load_element_f64 v4, v1, f64\n\
                v6 = const_i64 0\nv7 = load_element_f64 v4, v6, f64\nstore_element_f64 v4, v1, f64, v2";
    let live = yields("v0: obj, v1: i64, v2: f64", text, "v3, v5, v7", &given);
    assert_eq!(live, [2, 2.5_f64.to_bits(), 1.5_f64.to_bits()]);
    assert_eq!([0, 1].map(|i| elements.at(i)), [1.5, 0.1].map(f64::to_bits));
    let singles = words(&[u64::from(0.5_f32.to_bits()) << 32 | 7]);
    let single = words(&[1, 0, 2, address(&singles)]);
    let args = [address(&single), 1, 0.1_f64.to_bits()];
    let text = "v3 = array_elements v0, 24\nv4 = load_element_f64 v3, v1, f32\nstore_element_f64 v3, v1, f32, v2";
    let live = yields("v0: obj, v1: i64, v2: f64", text, "v4", &Given { args: &args, ..Given::default() });
    assert_eq!(live, [0.5_f64.to_bits()]);
    assert_eq!(singles.at(0), u64::from(0.1_f32.to_bits()) << 32 | 7);
}

#[test]
fn bytes() {
    let bytes = words(&[1, 0, 3, 99, 0x0081_8283]);
    let given = Given { args: &[address(&bytes), 1], ..Given::default() };
    let text = "v2 = array_len v0\nv3 = inner_elements v0, 32\nv4 = load_element_i64 v3, v1, u8";
    assert_eq!(yields("v0: obj, v1: i64", text, "v2, v4", &given), [3, 0x82]);
}

/// No helper is called where there is room.
#[test]
fn appending() {
    let (item, items) = (words(&[1, 0]), words(&[7, 0]));
    let list = words(&[1, 0, 1, address(&items), 2]);
    let given = Given { args: &[address(&list), address(&item)], ..Given::default() };
    let text = "incref v1\nv2 = call_helper list_append, [v0, v1]\ncheck_negative v2 [snap4]";
    assert_eq!(yields("v0: obj, v1: obj", text, "v2", &given), [0]);
    assert_eq!([items.at(0), items.at(1), list.at(2), item.at(0)], [7, address(&item), 2, 2]);
}

/// Elements are as wide as they are, and have their sign.
#[test]
fn integers_in_arrays() {
    let before = 0x8182_8384_8586_8788;
    for (kind, index, number, stored) in [
        ("i8", 1, -0x79, 0x8182_8384_8586_0588),
        ("u8", 1, 0x87, 0x8182_8384_8586_0588),
        ("i16", 1, i64::from(0x8586_u16 as i16), 0x8182_8384_0005_8788),
        ("u16", 1, 0x8586, 0x8182_8384_0005_8788),
        ("i32", 1, i64::from(0x8182_8384_u32 as i32), 0x0000_0005_8586_8788),
        ("u32", 1, 0x8182_8384, 0x0000_0005_8586_8788),
        ("i64", 0, before as i64, 5),
    ] {
        let constant = format!("v2 = const_i64 {index}\n");
        for (v, define) in [("v1", ""), ("v2", constant.as_str())] {
            let elements = words(&[before]);
            let array = words(&[1, 0, 8, address(&elements)]);
            let text = format!(
                "{define}v3 = array_elements v0, 24\nv4 = load_element_i64 v3, {v}, {kind}\nv5 = const_i64 5\n\
                 store_element_i64 v3, {v}, {kind}, v5"
            );
            let given = Given { args: &[address(&array), index], ..Given::default() };
            assert_eq!(yields("v0: obj, v1: i64", &text, "v4", &given), [number as u64], "{kind}");
            assert_eq!(elements.at(0), stored, "{kind}");
        }
    }
}

#[test]
fn lengths_of_ranges() {
    let numbers = [0, 1, -1, 7, -7, 1 << 59, (1 << 60) - 1, 1 << 60, -1 << 60, (-1 << 60) - 1, i64::MAX, i64::MIN];
    for step in [1, -1, 3, -3, 0, 1 << 60, -1 << 60] {
        let constant = format!("v2 = const_i64 {step}\nv3 = range_len v0, v1, v2 [snap0]");
        for (params, text) in [
            ("v0: i64, v1: i64, v2: i64", "v3 = range_len v0, v1, v2 [snap0]"),
            ("v0: i64, v1: i64", constant.as_str()),
        ] {
            for (start, stop) in numbers.iter().flat_map(|&a| numbers.map(|b| (a, b))) {
                let args = [start as u64, stop as u64, step as u64];
                let given = Given { args: &args[..params.matches(':').count()], ..Given::default() };
                let ran = ops(params, text, "v3", &given);
                let expected = hotspur_ir::arithmetic::range_len(start, stop, step);
                let is = (ran.exit == ran.code.exits.len() - 1).then(|| ran.live[0] as i64);
                assert_eq!(is, expected, "range({start}, {stop}, {step})");
            }
        }
    }
}

#[test]
fn attributes() {
    // Dictionary, count, type, [room for three, none written in order, valid], three values, their order.
    let instance = words(&[0, 1, 0, 3 | 1 << 24, 10, 0, 0, 0]);
    let object = address(&instance) + 8;
    let given = Given { args: &[object, 20], ..Given::default() };
    let text = "v2 = load_inline v0, 0\nv3 = load_inline v0, 1\nv4 = load_slot v0, 24\nstore_inline v0, 0, v1";
    assert_eq!(yields("v0: obj, v1: obj", text, "v2, v3, v4", &given), [10, 0, 10]);
    assert_eq!((instance.at(3), instance.at(4)), (3 | 1 << 24, 20));
    // An attribute that was absent is entered in the order of insertion.
    let text = "store_inline v0, 2, v1\nstore_inline v0, 1, v1\nstore_inline v0, 2, v1";
    assert_eq!(yields("v0: obj, v1: obj", text, "", &given), []);
    assert_eq!((instance.at(5), instance.at(6)), (20, 20));
    assert_eq!((instance.at(3), instance.at(7)), (3 | 2 << 8 | 1 << 24, 2 | 1 << 8));
    // If a dictionary has them as well, that is the host's business.
    let instance = words(&[1, 1, 0, 3 | 1 << 24, 10, 0, 0, 0]);
    let object = address(&instance) + 8;
    let given = Given { args: &[object, 20], ..Given::default() };
    let ran = ops("v0: obj, v1: obj", "store_inline v0, 1, v1", "", &given);
    assert_eq!(ran.notes.calls, [("store_inline", vec![object, 1, 20])]);
    assert_eq!((instance.at(3), instance.at(5), instance.at(7)), (3 | 1 << 24, 20, 0));
    assert_eq!(yields("v0: obj, v1: obj", "store_slot v0, 32, v1", "", &given), []);
    assert_eq!(instance.at(5), 20);
}

#[test]
fn references() {
    const IMMORTAL: u64 = 0xffff_ffff;
    // Saturated at all ones, as what is made immortal is; and counted below.
    for (before, after) in [(1, 2), (IMMORTAL, IMMORTAL), (0x7fff_fffe, 0x7fff_ffff)] {
        let object = words(&[before, 0]);
        let given = Given { args: &[address(&object)], ..Given::default() };
        assert_eq!(yields("v0: obj", "incref v0", "", &given), []);
        assert_eq!(object.at(0), after);
    }
    for op in [
        "decref v0 [snap2]\ncheck_validity [snap2]",
        "xdecref v0 [snap2]\ncheck_validity [snap2]",
        "decref_no_dealloc v0",
    ] {
        for (before, after) in [(2, 1), (IMMORTAL, IMMORTAL), (0x8000_0000, 0x8000_0000)] {
            let object = words(&[before, 0]);
            let given = Given { args: &[address(&object)], ..Given::default() };
            assert_eq!(yields("v0: obj", op, "", &given), [], "{op}");
            assert_eq!(object.at(0), after, "{op}");
        }
    }
    let given = Given { args: &[0], ..Given::default() };
    assert_eq!(yields("v0: obj", "xdecref v0 [snap2]\ncheck_validity [snap2]", "", &given), []);
    // The last one.
    for disturbed in [false, true] {
        let object = words(&[1, 0]);
        let given = Given { args: &[address(&object)], disturbed, ..Given::default() };
        let ran = ops("v0: obj", "decref v0 [snap2]\ncheck_validity [snap2]", "", &given);
        assert_eq!(ran.notes.calls, [("dealloc_published", vec![2, address(&object)])]);
        assert_eq!((object.at(0), ran.exit), (0, usize::from(!disturbed)));
    }
    let object = words(&[1, 0]);
    let given = Given { args: &[address(&object)], ..Given::default() };
    let ran = ops("v0: obj", "decref_no_dealloc v0", "", &given);
    assert_eq!(ran.notes.calls, [("dealloc_simple", vec![address(&object)])]);
}

#[test]
fn ranges() {
    let range = words(&[1, 0, 10, 3, 2]);
    let given = Given { args: &[address(&range)], ..Given::default() };
    let next = "v1 = range_iter_next v0 [snap0]\nv2 = range_iter_next v0 [snap3]";
    assert_eq!(yields("v0: obj", next, "v1, v2", &given), [10, 13]);
    assert_eq!([2, 3, 4].map(|i| range.at(i)), [16, 3, 0]);
    assert!(!passes("v0: obj", "v1 = range_iter_next v0 [snap0]", &given));
    assert!(passes("v0: obj", "guard_range_iter_done v0 [snap0]", &given));
    assert_eq!([2, 3, 4].map(|i| range.at(i)), [16, 3, 0]);
    let range = words(&[1, 0, 10, 3, 1]);
    let given = Given { args: &[address(&range)], ..Given::default() };
    assert!(!passes("v0: obj", "guard_range_iter_done v0 [snap0]", &given));
}

#[test]
fn enumerations() {
    // The collector's word in front of the tuple; count, type, collector's own, number, item.
    let [old, item] = [2, 1].map(|count| words(&[count, 0]));
    let tuple = words(&[1, 0, 1, 0, 2, 0, address(&old)]);
    let iter = words(&[1, 0, 5, 77, address(&tuple) + 16]);
    let given = Given { args: &[address(&iter), address(&item)], ..Given::default() };
    let look = "v2 = call_helper enumerate_iter, [v0]\nv3 = call_helper enumerate_number, [v0]";
    let keep = "incref v1\nv4 = call_helper enumerate_keep, [v0, v1]\nv5 = call_helper enumerate_number, [v0]";
    let text = format!("{look}\n{keep}");
    assert_eq!(yields("v0: obj, v1: obj", &text, "v2, v3, v4, v5", &given), [77, 5, 0, 6]);
    assert_eq!((iter.at(2), tuple.at(6), old.at(0), item.at(0)), (6, address(&item), 1, 2));
    // Nobody else has the item, somebody has the tuple, or there is no next number.
    let seldom = [words(&[1, 0, 1, 0, 2, 0, address(&old)]), words(&[1, 0, 2, 0, 2, 0, address(&item)])];
    for (tuple, number) in [(&seldom[0], 5), (&seldom[1], 5), (&tuple, i64::MAX as u64)] {
        let iter = words(&[1, 0, number, 77, address(tuple) + 16]);
        let given = Given { args: &[address(&iter)], ..Given::default() };
        let text = "v1 = call_helper enumerate_number, [v0]";
        assert_eq!(yields("v0: obj", text, "v1", &given), [u64::MAX]);
    }
}

/// The same with a guard of the number behind: the op and its guard are one.
#[test]
fn numbers_of_enumerations() {
    let [old, last] = [2, 1].map(|count| words(&[count, 0]));
    let immortal = words(&[0xffff_ffff, 0]);
    let zero = "v1 = const_i64 0\nv2 = call_helper enumerate_number, [v0]\nguard_cmp_i64 ge, v2, v1 [snap0]";
    for (count, item, number, passing) in [
        (1, &old, 5, true),
        (1, &immortal, 0, true),
        (2, &old, 5, false),
        (1, &last, 5, false),
        (1, &old, i64::MAX, false),
        (1, &old, -5, false),
    ] {
        let tuple = words(&[1, 0, count, 0, 2, 0, address(item)]);
        let iter = words(&[1, 0, number as u64, 77, address(&tuple) + 16]);
        let given = Given { args: &[address(&iter)], ..Given::default() };
        assert_eq!(passes("v0: obj", zero, &given), passing, "{count} {number}");
        if passing {
            assert_eq!(yields("v0: obj", zero, "v2", &given), [number as u64]);
        }
    }
}

/// References that are taken behind an op that takes one.
#[test]
fn references_at_once() {
    for (count, then) in [(1, 4), (7, 10), (0xffff_ffff, 0xffff_ffff)] {
        let item = words(&[count, 0]);
        let tuple = words(&[1, 0, 1, address(&item)]);
        let iter = words(&[1, 0, 0, address(&tuple)]);
        let given = Given { args: &[address(&iter)], ..Given::default() };
        let text = "v1 = tuple_iter_next v0 [snap0]\nincref v1\nincref v1";
        assert_eq!(yields("v0: obj", text, "v1", &given), [address(&item)]);
        assert_eq!(item.at(0), then);
    }
}

#[test]
fn sequences() {
    let first = words(&[1, 0]);
    let items = words(&[address(&first), address(&first)]);
    let list = words(&[1, 0, 2, address(&items)]);
    let tuple = words(&[1, 0, 2, address(&first), address(&first)]);
    for (kind, sequence) in [("list", &list), ("tuple", &tuple)] {
        let next = format!("v1 = {kind}_iter_next v0 [snap0]");
        let done = format!("guard_{kind}_iter_done v0 [snap0]");
        let iter = words(&[1, 0, 1, address(sequence)]);
        let given = Given { args: &[address(&iter)], ..Given::default() };
        let count = first.at(0);
        assert!(!passes("v0: obj", &done, &given));
        assert_eq!(yields("v0: obj", &next, "v1", &given), [address(&first)]);
        assert_eq!((iter.at(2), first.at(0)), (2, count + 1));
        assert!(!passes("v0: obj", &next, &given));
        assert!(passes("v0: obj", &done, &given));
        assert_eq!((iter.at(2), first.at(0)), (2, count + 1));
        // CPython takes the sequence away when the iterator is exhausted.
        let iter = words(&[1, 0, 0, 0]);
        let given = Given { args: &[address(&iter)], ..Given::default() };
        assert!(!passes("v0: obj", &next, &given));
        assert!(passes("v0: obj", &done, &given));
    }
}

#[test]
fn frames() {
    // Two locals and a stack behind the head of nine words; then a frame above it, with three locals.
    let mut bottom = vec![0; 9];
    bottom.extend([1, 2, 3, 4]);
    let bottom = words(&bottom);
    let mut above = vec![0; 9];
    above.extend([5, 6, 7, 8]);
    let above = words(&above);
    let given = Given { args: &[address(&above), 99], frame: address(&bottom), ..Given::default() };
    let text = "superblock code0 @ 0 (v0: obj, v1: obj) {
        v2 = load_local 0, 1
        v3 = load_stack 0, 1
        spill_local 0, 0, v1
        spill_stack 0, 0, v1
        push_frame code1, 7, v1, [v2, v3]
        v4 = load_local 1, 2
        v5 = load_stack 1, 0
        spill_stack 1, 0, v3
        v6 = load_local 0, 0
        exit end_of_trace [snap0]
    }
    snap0 = at
        code0 @ 9 locals [_, _] stack [v2, v3]
        code1 @ 0 locals [_, _, _] stack [v4, v5, v6]";
    let ran = run(text, &given);
    assert_eq!(ran.live, [2, 4, 7, 8, 99]);
    assert_eq!(ran.notes.calls, [("push_frame", vec![0xc0de_0001, 7, 2, 99, 2])]);
    assert_eq!((bottom.at(9), bottom.at(11), above.at(12)), (99, 99, 4));
}

/// Frames that instructions of tier 1 push are elsewhere each time: also the one that there is when the loop begins.
#[test]
fn frames_that_move() {
    let frame = |local: u64| {
        let mut all = vec![0; 9];
        all.extend([local; 3]);
        words(&all)
    };
    let (bottom, first, second, third) = (frame(1), frame(10), frame(100), frame(1000));
    let tops = [address(&first), address(&bottom), address(&second), address(&bottom), address(&third)];
    let given = Given { args: &[0], frame: address(&bottom), tops: &tops, ..Given::default() };
    let text = "superblock code0 @ 0 (v0: i64) {
        execute 1, calls [snap0]
        guard_landed code1, 0, 0 [snap1]
        enter_loop [v0]
    loop (v1: i64):
        v2 = load_local 1, 0
        v3 = load_local 0, 0
        guard_not_null v2 [snap2]
        spill_local 1, 1, v3
        execute 2, returns [snap2]
        guard_landed code0, 3, 1 [snap3]
        execute 3, calls [snap4]
        guard_landed code1, 0, 0 [snap1]
        v6 = const_i64 1
        v7 = add_i64 v1, v6
        jump_loop [v7]
    }
    snap0 = at code0 @ 1 locals [_, _] stack []
    snap1 = landed
        code0 @ 1 locals [_, _] stack []
        code1 @ 0 locals [_, _, _] stack []
    snap2 = at
        code0 @ 1 locals [_, _] stack []
        code1 @ 2 locals [_, _, _] stack []
    snap3 = landed code0 @ 3 locals [_, _] stack [_]
    snap4 = at code0 @ 3 locals [_, _] stack [_]";
    let ran = run(text, &given);
    assert_eq!([&first, &second, &third].map(|f| f.at(10)), [1, 1, 1]);
    assert_eq!([&first, &second, &third].map(|f| f.at(9)), [10, 100, 1000]);
    // The third return has no landing.
    assert_eq!(ran.exit, 2);
    let executed: Vec<_> = ran.notes.calls.iter().filter(|c| c.0 == "execute").map(|c| c.1[1..].to_vec()).collect();
    // The instruction, how far the stack reaches above the frame, the code.
    let (calls, again) = (vec![0x57e0_0001, 88, 0x57e0_0000], vec![0x57e0_0003, 96, 0x57e0_0000]);
    let returns = vec![0x57e0_1002, 96, 0x57e0_1000];
    assert_eq!(executed, [calls, returns.clone(), again.clone(), returns.clone(), again, returns]);
}

#[test]
fn checks() {
    for (breaker, due) in [(0, false), (1, true), (0x80, true), (0x100, false)] {
        let thread = words(&[0, 0, 0, breaker]);
        let given = Given { thread: address(&thread), ..Given::default() };
        assert_eq!(passes("", "check_periodic [snap0]", &given), !due, "{breaker:#x}");
    }
    for valid in [0, 1] {
        let byte = words(&[valid]);
        let given = Given { valid: address(&byte), ..Given::default() };
        assert_eq!(passes("", "check_validity [snap0]", &given), valid == 1);
    }
}
