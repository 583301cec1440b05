//! Monthly recurring revenue, against a table that was worked out by hand:
//! `mrr.json`, a case a line, with the arithmetic beside it. The subscriptions
//! are as Stripe writes them, in the shapes of before and of now.

use std::collections::BTreeMap;

use serde_json::Value;
use usher::reports::money;
use usher::services::stripe::terms;

#[test]
fn every_row_of_the_table_comes_out_as_worked_out_by_hand() {
    let table: Vec<Value> = serde_json::from_str(include_str!("mrr.json")).unwrap();
    assert!(table.len() >= 25, "{}", table.len());
    for row in &table {
        let sums = money::monthly(&terms::terms(&row["subscription"], None));
        let minor = sums.map(|sums| {
            let rounded = sums.into_iter().map(|(currency, sum)| (currency, sum.rounded().unwrap()));
            rounded.collect::<BTreeMap<_, _>>()
        });
        let expected: Option<BTreeMap<String, i64>> = serde_json::from_value(row["monthly_minor"].clone()).unwrap();
        assert_eq!(minor, expected, "{}: {}", row["case"], row["arithmetic"]);
    }
}
