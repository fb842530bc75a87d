//! What riders buy in the simulated shop.

/// A product that passes are sold of.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// `product_uuid` of its passes.
    pub uuid: &'static str,
    /// `label_name` of its passes.
    pub label: &'static str,
    /// `label_short_name` of its passes.
    pub short_label: &'static str,
    /// How long a pass is good for from its first use, in minutes.
    pub valid_min: i64,
    /// `allowed_uses` of its passes; 0 = no limit.
    pub allowed_uses: u32,
    /// Whether an unused pass has an expiration.
    pub shelf_life: bool,
    /// The price as JavaScript writes the number.
    pub price: &'static str,
}

/// All products. Labels and numbers are chosen so that each rule of `JSON.stringify` occurs in some pass.
pub const PRODUCTS: [Product; 6] = [
    product("0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e01", ("Single Ride", "1R"), (150, 1, true), "2.5"),
    product("0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e02", ("1-Day Pass / Día ☀", "Día"), (1_440, 0, true), "5"),
    product("0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e03", ("Rail + Bus 7-Day 🚆", "7D🚆"), (10_080, 0, false), "25.25"),
    product(
        "0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e04",
        ("Student \"U-Pass\"\tFall\\Term", "U"),
        (43_200, 0, false),
        "1e-7",
    ),
    product("0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e05", ("10-Ride\u{2028}Book <b>", "10R"), (43_200, 10, true), "22.5"),
    product("0b7a3f5e-52c1-4c8e-9a52-6f1d0c7d1e06", ("Free Ride", "FREE"), (120, 1, true), "0"),
];

/// `label` is the long and the short one; `use_` is minutes of validity, allowed uses, and shelf life.
const fn product(
    uuid: &'static str,
    label: (&'static str, &'static str),
    use_: (i64, u32, bool),
    price: &'static str,
) -> Product {
    Product {
        uuid,
        label: label.0,
        short_label: label.1,
        valid_min: use_.0,
        allowed_uses: use_.1,
        shelf_life: use_.2,
        price,
    }
}
