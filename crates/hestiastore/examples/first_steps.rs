//! Typed, ordered, durable storage in ten lines.

use hestiastore::SegmentIndex;

fn main() -> hestiastore::Result<()> {
    let folder = std::env::temp_dir().join(format!("hestia-first-steps-{}", std::process::id()));
    let people = SegmentIndex::<String, u32>::builder(&folder).open_or_create()?;
    people.put("Ada", 36)?;
    people.put("Grace", 85)?;
    people.put("Edsger", 72)?;
    people.delete("Edsger")?;
    assert_eq!(people.get("Ada")?, Some(36));
    for entry in people.range("B"..)? {
        let (name, age) = entry?;
        println!("{name} is {age}");
    }
    people.close()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}
