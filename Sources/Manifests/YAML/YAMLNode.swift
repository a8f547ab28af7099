/// A value of a manifest and where it begins: the small part of YAML that manifests may use.
struct YAMLNode {
    enum Content {
        case scalar(String, ScalarStyle)
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
    }

    let mark: Mark
    let content: Content

    /// What a person would call it in a message.
    var word: String {
        switch content {
        case .scalar("", .plain): "nothing"
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// Whether nothing stands here, as after `key:` at the end of a line.
    var isNothing: Bool {
        if case .scalar("", .plain) = content { return true }
        return false
    }
}

/// One `key: value` of a mapping; no mapping has two of the same key.
struct YAMLEntry {
    let key: String
    let keyMark: Mark
    let value: YAMLNode
}
