/// The version of the program; the formats it reads and writes have versions of their own.
enum Version {
    static let number = "0.1.0"
    static let program = "rollbook \(number)"
}
