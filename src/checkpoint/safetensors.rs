//! The files that hold tensors: <https://github.com/huggingface/safetensors>, each with a range of every tensor's rows.
//!
//! The header follows from the manifest alone, so there is one function that makes it: a writer writes what it gives,
//! a reader compares. No length or offset is ever taken from a file.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::manifest::{Kind, TensorEntry};

// The data are the bytes of the numbers as they stand in memory.
const _: () = assert!(cfg!(target_endian = "little"), "safetensors files are little-endian");

/// The data of a file begin at a multiple of this.
const PAGE: usize = 4096;

/// The rows of a tensor of `rows` rows that stand in the file of `shard`.
pub(super) fn rows_of(rows: u64, shard: usize, shards: usize) -> Range<u64> {
    // The product may need 128 bits; the quotient is at most `rows`.
    let before = |shard: usize| (u128::from(rows) * shard as u128 / shards as u128) as u64;
    before(shard)..before(shard + 1)
}

/// The first bytes of the file of `shard`, up to the data: length and header.
pub(super) fn header(tensors: &[&TensorEntry], shard: usize, shards: usize) -> Vec<u8> {
    let (mut entries, mut offsets) = (Map::new(), Map::new());
    let mut end = 0_u64;
    for tensor in tensors {
        let rows = rows_of(tensor.rows, shard, shards);
        if rows.is_empty() {
            continue;
        }
        let begin = end;
        let count = rows.end - rows.start;
        end += count * u64::from(tensor.width) * 4;
        let name = name_in_file(tensor);
        offsets.insert(name.clone(), json!({ "saved_offsets": [rows.start, 0] }));
        let entry = json!({ "dtype": tensor.dtype, "shape": [count, tensor.width], "data_offsets": [begin, end] });
        entries.insert(name, entry);
    }
    // What torch.distributed.checkpoint writes, and looks for, in files that hold parts of tensors.
    let metadata = json!({
        "DCP_VERSION": "1.0",
        "DCP_SHARDING_INFO": Value::Object(offsets).to_string(),
        "format": "hogback",
    });
    let mut header = Map::from_iter([("__metadata__".to_owned(), metadata)]);
    header.append(&mut entries);
    let mut json = Value::Object(header).to_string().into_bytes();
    json.resize((8 + json.len()).next_multiple_of(PAGE) - 8, b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json].concat()
}

/// What a tensor is called in its file. PyTorch reads all files of a directory as one set of tensors, so a state must
/// not have the name of a weight.
pub(super) fn name_in_file(tensor: &TensorEntry) -> String {
    match tensor.kind {
        Kind::Weights => tensor.name.clone(),
        Kind::State => format!("state.{}", tensor.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    fn tensor(name: &str, rows: u64, kind: Kind) -> TensorEntry {
        TensorEntry { name: name.to_owned(), rows, width: 3, dtype: "F32".to_owned(), kind }
    }

    #[test]
    fn shards_cover_all_rows_once_and_evenly() {
        for rows in [0, 1, 2, 7, 4096, u64::MAX] {
            for shards in [1, 2, 3, 5, 64] {
                let ranges: Vec<_> = (0..shards).map(|shard| rows_of(rows, shard, shards)).collect();
                assert_eq!((ranges[0].start, ranges[shards - 1].end), (0, rows));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                let sizes = || ranges.iter().map(|range| range.end - range.start);
                assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn the_safetensors_crate_and_pytorch_find_their_way() {
        let (large, one, state) =
            (tensor("w", 5, Kind::Weights), tensor("the \"bias\"", 1, Kind::Weights), tensor("w", 2, Kind::State));
        for shard in 0..3 {
            let mut file = header(&[&large, &one, &state], shard, 3);
            assert_eq!(file.len() % PAGE, 0);
            let rows: u64 = [5, 1, 2].map(|rows| rows_of(rows, shard, 3)).into_iter().map(|r| r.end - r.start).sum();
            file.resize(file.len() + rows as usize * 3 * 4, 0);

            let parsed = SafeTensors::deserialize(&file).unwrap();
            let range = rows_of(5, shard, 3);
            assert_eq!(parsed.tensor("w").unwrap().shape(), [(range.end - range.start) as usize, 3]);
            assert_eq!(parsed.tensor("the \"bias\"").is_ok(), shard == 2);
            assert_eq!(parsed.tensor("state.w").is_ok(), shard > 0);
            let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
            let metadata = metadata.metadata().clone().unwrap();
            assert_eq!(metadata["DCP_VERSION"], "1.0");
            let sharding: Value = serde_json::from_str(&metadata["DCP_SHARDING_INFO"]).unwrap();
            assert_eq!(sharding["w"]["saved_offsets"], json!([range.start, 0]));
            assert_eq!(sharding.as_object().unwrap().len(), parsed.len());
        }
    }

    #[test]
    fn a_file_without_tensors_is_a_file() {
        let file = header(&[&tensor("w", 1, Kind::Weights)], 0, 2);
        assert!(SafeTensors::deserialize(&file).unwrap().is_empty());
        assert_eq!(file.len(), PAGE);
    }
}
