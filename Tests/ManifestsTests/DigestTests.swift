import Manifests
import RunEngine
import Testing

@Suite("Digests")
struct DigestTests {
    // `printf 'format: 1\ncluster: { id: lab }\nmasters: [{ name: m1, address: 10.0.0.1 }]\n' | sha256sum`
    @Test("the digest is the SHA-256 of the bytes as they are, the byte order mark too")
    func inventory() throws {
        let text = "format: 1\ncluster: { id: lab }\nmasters: [{ name: m1, address: 10.0.0.1 }]\n"
        let inventory = try InventoryLoader.load(Array(text.utf8), path: "a.yaml", context: .sample)
        #expect(inventory.digest == "sha256:dea1eedf247f4024c95e62e9adef887ba0de3f836508aac82ddab5996bbdfec3")
        let marked = try InventoryLoader.load(Array("\u{FEFF}\(text)".utf8), path: "a.yaml", context: .sample)
        #expect(marked.digest != inventory.digest)
        #expect(marked.cluster == inventory.cluster)
    }

    // `printf 'format: 1\nrunbook: r\nsummary: s\nstages: [{ name: One, on: all, gate: [etcd.quorum] }]\n' | sha256sum`
    @Test("a runbook carries the digest of its file")
    func runbook() throws {
        let text = "format: 1\nrunbook: r\nsummary: s\nstages: [{ name: One, on: all, gate: [etcd.quorum] }]\n"
        let runbook = try RunbookLoader.load(Array(text.utf8), path: "r.yaml", catalogue: SampleKinds())
        #expect(runbook.digest == "sha256:9273211be63901a4f03b47475e0e566f2bc3276168b23b975bf2deebe58c45d8")
    }
}
