use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Two instances' `cpu`, and a counter that begins anew, every 15 seconds from 0 to 60.
fn samples() -> Vec<Series> {
    let every = |values: [f64; 5]| {
        let times = (0..5).map(|n| n * 15_000);
        times.zip(values).collect()
    };
    let of = |name, instance, values| Series {
        labels: labels(&[
            ("__name__", name),
            ("source_id", "a"),
            ("instance_id", instance),
        ]),
        samples: every(values),
    };
    vec![
        of("cpu", "0", [1.0, 2.0, 3.0, 4.0, 5.0]),
        of("cpu", "1", [10.0, 20.0, 30.0, 40.0, 50.0]),
        of("rx_bytes", "0", [100.0, 160.0, 20.0, 80.0, 140.0]),
    ]
}

fn show(answer: Answer) -> String {
    let named = |labels: &Labels| {
        let labels = labels.iter();
        let labels: Vec<_> = labels
            .filter(|(name, _)| *name != "source_id")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        labels.join(",")
    };
    match answer {
        Answer::Scalar(number) => format!("{number}"),
        Answer::Vector(vector) => {
            let vector = vector.iter();
            let each = vector.map(|(labels, value)| format!("{{{}}} {value}", named(labels)));
            each.collect::<Vec<_>>().join("; ")
        }
        Answer::Matrix(matrix) => {
            let each = matrix.iter().map(|series| {
                let values = series.samples.iter();
                let values: Vec<_> = values.map(|(at, value)| format!("{value}@{at}")).collect();
                format!("{{{}}} {}", named(&series.labels), values.join(" "))
            });
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

#[track_caller]
fn check(query: &str, expected: &str) {
    let answer = parse(query).and_then(|query| query.at(&samples(), 60_000));
    let shown = answer.map_or_else(|error| error.to_string(), show);
    assert_eq!(shown, expected, "{query}");
}

#[test]
fn queries_are_computed_as_prometheus_does() {
    check("1 + 2 * 3 ^ 2 ^ 0", "7");
    check("-2 ^ 2", "-4");
    check("(1 + 2) * 3 % 5", "4");
    check("3 > bool 2", "1");
    check("time()", "60");
    check("cpu{instance_id=\"0\"}", "{__name__=cpu,instance_id=0} 5");
    check(
        "cpu{instance_id!~\"0|2\",source_id='a'} * 2",
        "{instance_id=1} 100",
    );
    check("cpu > 10", "{__name__=cpu,instance_id=1} 50");
    check(
        "cpu offset 30s",
        "{__name__=cpu,instance_id=0} 3; {__name__=cpu,instance_id=1} 30",
    );
    check("sum(cpu)", "{} 55");
    check(
        "avg by (instance_id) (cpu)",
        "{instance_id=0} 5; {instance_id=1} 50",
    );
    check("max without (instance_id, source_id) (cpu)", "{} 50");
    check("topk(1, cpu)", "{__name__=cpu,instance_id=1} 50");
    check("quantile(0.5, cpu)", "{} 27.5");
    check("count(cpu{source_id=~\"a|b\"}) + 1", "{} 3");
    check(
        "avg_over_time(cpu[45s])",
        "{instance_id=0} 4; {instance_id=1} 40",
    );
    check(
        "count_over_time(cpu{instance_id=\"0\"}[1m]) / 60",
        "{instance_id=0} 0.06666666666666667",
    );
    check(
        "cpu{instance_id=\"0\"}[31s]",
        "{__name__=cpu,instance_id=0} 3@30000 4@45000 5@60000",
    );
    check(
        "cpu / on (instance_id) rx_bytes",
        "{instance_id=0} 0.03571428571428571",
    );
    check(
        "cpu and on (instance_id) rx_bytes",
        "{__name__=cpu,instance_id=0} 5",
    );
    check(
        "cpu unless on (instance_id) rx_bytes",
        "{__name__=cpu,instance_id=1} 50",
    );
    check("scalar(cpu{instance_id=\"0\"}) + vector(1)", "{} 6");
    check("resets(rx_bytes[1m1s])", "{instance_id=0} 1");
    check("absent(nothing)", "{} 1");
    check("nothing", "");
}

#[test]
fn rates_go_over_resets_and_to_the_ends_of_their_time() {
    // 60, 20 from the new beginning, 60 and 60, in 60 seconds of the 60.001.
    check(
        "round(increase(rx_bytes[1m1ms]) * 1000)",
        "{instance_id=0} 200003",
    );
    check("irate(rx_bytes[1m])", "{instance_id=0} 4");
    check(
        "delta(cpu{instance_id=\"0\"}[46s])",
        "{instance_id=0} 3.066666666666667",
    );
    check("rate(cpu[1s])", "");
}

#[test]
fn what_is_no_query_is_told() {
    for (query, expected) in [
        ("", "expected an expression"),
        ("cpu{", "expected a label"),
        ("cpu{a~\"b\"}", "unexpected character"),
        ("cpu[5]", "expected a duration"),
        ("rate(cpu)", "rate takes a range vector"),
        ("abs(cpu, cpu)", "abs takes 1 arguments"),
        ("nope(cpu)", "unknown function"),
        ("cpu[5m] + 1", "no range vectors"),
        ("cpu{a=~\"(\"}", "bad regular expression"),
        ("1 2", "unexpected text after the query"),
        ("cpu * on (a) group_left () mem", "many-to-one"),
        ("'text'", "expected an expression"),
    ] {
        let error = parse(query).unwrap_err().to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
    assert!(parse(&"(".repeat(100)).is_err());
    assert!(parse(&"-".repeat(1000)).is_err());
    assert!(parse(&"1".repeat(10_000)).is_err());
}

#[test]
fn a_range_has_a_value_for_each_step_and_a_bound() {
    let over = |query: &str, to_ms, step_ms| {
        let answer = parse(query).unwrap().over(&samples(), (0, to_ms), step_ms);
        answer.map_or_else(|error| error.to_string(), show)
    };
    assert_eq!(
        over("sum(cpu)", 60_000, 30_000),
        "{} 11@0 33@30000 55@60000"
    );
    assert_eq!(over("1", 10, 5), "{} 1@0 1@5 1@10");
    assert!(over("cpu", 60_000, 1).contains("maximum resolution"));
    assert!(over("cpu", 60_000, 0).contains("step"));
    assert!(over("cpu", -1, 1).contains("end timestamp"));
}

#[test]
fn too_much_work_is_refused() {
    let many: Vec<Series> = (0..1000)
        .map(|n| Series {
            labels: labels(&[("__name__", "cpu"), ("instance_id", &n.to_string())]),
            samples: vec![(0, 1.0)],
        })
        .collect();
    let query = parse("sum(cpu) + sum(cpu) + sum(cpu)").unwrap();
    let error = query.over(&many, (0, 10_000_000), 1000).unwrap_err();
    assert!(error.to_string().contains("too many samples"), "{error}");
}
