import Foundation

/// A folder of `<case>.yaml` inputs with `<case>.expected` outputs beside them: a new case needs no Swift.
///
/// With ROLLBOOK_RECORD=1 the expected texts are written instead of compared; read them before you commit them.
struct FixtureFolder {
    let url: URL

    init(_ name: String) {
        url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
    }

    static var isRecording: Bool { ProcessInfo.processInfo.environment["ROLLBOOK_RECORD"] == "1" }

    /// The cases, sorted; empty when the folder cannot be read, which a test refuses.
    var cases: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    func input(_ name: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: url.appending(path: "\(name).yaml"))) }

    func expected(_ name: String) throws -> String {
        try String(contentsOf: url.appending(path: "\(name).expected"), encoding: .utf8)
    }

    func record(_ text: String, for name: String) throws {
        try Data(text.utf8).write(to: url.appending(path: "\(name).expected"))
    }
}
