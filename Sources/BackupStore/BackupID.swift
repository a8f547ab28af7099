package import ClusterModel

/// A backup set's identity and folder name: UTC start and 32 random bits, such as `20261120T221302Z-9f3a12c4`.
///
/// Sorts by time; the random half keeps two sets of one second apart.
package struct BackupID: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    /// The start of the backup, in whole seconds; retention counts with it.
    package let moment: UTCMoment
    private let random: UInt32

    /// Composes an id from a moment and random bits, both given by the caller so that tests can repeat them.
    package init(moment: UTCMoment, random: UInt32) {
        self.moment = UTCMoment(seconds: moment.seconds)
        self.random = random
    }

    /// Reads the text form; nil for anything else, calendar nonsense such as a 31st of February included.
    package init?(_ text: String) {
        guard isTimestampedID(text) else { return nil }
        let digits = Array(text.utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        let date = "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))"
        let time = "\(part(9..<11)):\(part(11..<13)):\(part(13..<15))"
        guard let moment = UTCMoment("\(date)T\(time)Z"), let random = UInt32(text.suffix(8), radix: 16) else {
            return nil
        }
        self.init(moment: moment, random: random)
    }

    /// The set of a run, so that the two are found from one another.
    package init(_ run: RunID) throws(BackupError) {
        guard let id = BackupID(run.text) else { throw .invalidName(run.text, expected: "backup id") }
        self = id
    }

    package var text: String {
        let hex = String(random, radix: 16)
        return moment.compact + "-" + String(repeating: "0", count: 8 - hex.count) + hex
    }

    package var description: String { text }

    package static func < (left: BackupID, right: BackupID) -> Bool {
        left.moment == right.moment ? left.random < right.random : left.moment < right.moment
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = BackupID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a backup id")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
