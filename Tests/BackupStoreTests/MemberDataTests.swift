import ClusterModel
import Testing

@testable import BackupStore

@Suite("Tools that make a member's data")
struct MemberDataTests {
    private func tools(_ version: String) throws -> EtcdTools {
        EtcdTools(
            version: try #require(EtcdVersion(version)),
            etcd: "/opt/etcd",
            etcdctl: "/opt/etcdctl",
            restorer: "/opt/etcdutl"
        )
    }

    @Test(
        "revisions are moved on by exactly the versions that can",
        arguments: [
            ("3.3.27", false), ("3.4.0", false), ("3.4.26", false), ("3.4.27", true), ("3.4.37", true),
            ("3.5.0", false),
            ("3.5.9", false), ("3.5.10", true), ("3.5.21-0", true), ("3.6.0", true), ("3.7.1", true), ("4.0.0", true),
        ]
    )
    func bump(version: String, bumps: Bool) throws {
        #expect(try tools(version).bumpsRevisions == bumps)
    }

    @Test("data is made only by the minor version of the servers, whatever the patch")
    func minor() throws {
        for (tool, server) in [("3.5.30", "3.5.16"), ("3.5.9", "3.5.16-0"), ("3.4.23", "3.4.37"), ("3.6.1", "3.6.0")] {
            #expect(throws: Never.self) { try tools(tool).requireMinor(of: server) }
        }
        for (tool, server) in [("3.6.0", "3.5.16"), ("3.4.37", "3.5.16"), ("4.5.1", "3.5.1"), ("3.5.16", "3.6.0-rc.1")]
        {
            let error = #expect(throws: BackupError.self) { try tools(tool).requireMinor(of: server) }
            let message = error?.message
            #expect(message?.event.contains("only tools of \(tool) are here") == true, "\(tool) \(server)")
            #expect(message?.next?.hasPrefix("install etcd, etcdctl and etcdutl ") == true)
        }
    }
}
