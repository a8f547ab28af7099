import ClusterModel

// How a plan writes what is one of several: an object whose `kind` says which. The forms are permanent (Format.md).

extension PlannedStep.Outlook: Codable {
    private enum Field: String, CodingKey { case kind, reason, warning, changes, until, message }
    private enum Kind: String, Codable { case noop, change, unknown, blocked }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        switch try fields.decode(Kind.self, forKey: .kind) {
        case .noop:
            let reason = try fields.decode(String.self, forKey: .reason)
            let isWarning = try fields.decodeIfPresent(Bool.self, forKey: .warning) ?? false
            self = isWarning ? .warning(reason: reason) : .noop(reason: reason)
        case .change: self = .change(try fields.decode([PlannedChange].self, forKey: .changes))
        case .unknown: self = .unknown(until: try fields.decode(String.self, forKey: .until))
        case .blocked: self = .blocked(try fields.decode(OperatorMessage.self, forKey: .message))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        switch self {
        case .noop(let reason):
            try fields.encode(Kind.noop, forKey: .kind)
            try fields.encode(reason, forKey: .reason)
        case .warning(let reason):
            try fields.encode(Kind.noop, forKey: .kind)
            try fields.encode(reason, forKey: .reason)
            try fields.encode(true, forKey: .warning)
        case .change(let changes):
            try fields.encode(Kind.change, forKey: .kind)
            try fields.encode(changes, forKey: .changes)
        case .unknown(let step):
            try fields.encode(Kind.unknown, forKey: .kind)
            try fields.encode(step, forKey: .until)
        case .blocked(let message):
            try fields.encode(Kind.blocked, forKey: .kind)
            try fields.encode(message, forKey: .message)
        }
    }
}

extension Reversal: Codable {
    private enum Field: String, CodingKey { case kind, reason }
    private enum Kind: String, Codable { case undoable, nothingToUndo, irreversible }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        switch try fields.decode(Kind.self, forKey: .kind) {
        case .undoable: self = .undoable
        case .nothingToUndo: self = .nothingToUndo
        case .irreversible: self = .irreversible(reason: try fields.decode(String.self, forKey: .reason))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        switch self {
        case .undoable: try fields.encode(Kind.undoable, forKey: .kind)
        case .nothingToUndo: try fields.encode(Kind.nothingToUndo, forKey: .kind)
        case .irreversible(let reason):
            try fields.encode(Kind.irreversible, forKey: .kind)
            try fields.encode(reason, forKey: .reason)
        }
    }
}
