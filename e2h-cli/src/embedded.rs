//! The models that E2H ships: base policies that act legally at random, made by `e2h base`.

use e2h_model::EmbeddedModel;

macro_rules! embedded {
    ($($name:literal),+) => {
        &[$(EmbeddedModel {
            name: $name,
            files: &[
                ("config.json", include_bytes!(concat!("../models/", $name, "/config.json"))),
                (
                    "model.safetensors",
                    include_bytes!(concat!("../models/", $name, "/model.safetensors")),
                ),
                ("tokenizer.json", include_bytes!(concat!("../models/", $name, "/tokenizer.json"))),
                (
                    "tokenizer_config.json",
                    include_bytes!(concat!("../models/", $name, "/tokenizer_config.json")),
                ),
                (
                    "generation_config.json",
                    include_bytes!(concat!("../models/", $name, "/generation_config.json")),
                ),
            ],
        }),+]
    };
}

/// Every shipped model.
pub(crate) const MODELS: &[EmbeddedModel] = embedded!("countdown-nano", "blocksworld-nano");
