import Foundation
import Testing

extension Lab {
    /// The package to try.
    static let package = ProcessInfo.processInfo.environment["ROLLBOOK_DEB"]
}

/// The Debian package that `make deb` made, found by `ROLLBOOK_DEB`; it is tried on a bare Debian, not on the practice
/// cluster, so that a machine needs to be root's and nothing else.
@Suite("the Debian package", .enabled(if: Lab.package != nil, "ROLLBOOK_DEB does not name a package"))
struct PackageTests {
    @Test("installs on a bare Debian, works there, and is purged without a trace but what the operator owns")
    func tried() async throws {
        let root = URL(filePath: Lab.here.tool).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        // The first time the bare Debian is made, which takes minutes on a slow line; then a few seconds.
        let answer = try await Process(
            program: root.path + "/Packaging/try",
            arguments: [try #require(Lab.package)],
            environment: ProcessInfo.processInfo.environment,
            deadline: .seconds(600)
        ).run()
        #expect(answer.code == 0, "\(answer)")
        #expect(answer.lines.count { $0.contains("  ok  ") } == 8, "\(answer)")
    }
}
