import ClusterModel
import Testing

@Suite("Kubernetes versions")
struct KubernetesVersionTests {
    @Test(
        "releases are read as Kubernetes, packages and people write them",
        arguments: ["1.32.13", "v1.32.13", "v1.32.13-1.1", "1.32.13+k3s1", "v1.32.13-rc.1"]
    )
    func read(text: String) throws {
        let version = try #require(KubernetesVersion(text))
        #expect(version == KubernetesVersion(major: 1, minor: 32, patch: 13))
        #expect(version.description == "1.32.13")
        #expect(version.tag == "v1.32.13")
        #expect(version.minorText == "1.32")
    }

    @Test(
        "what is no release is none",
        arguments: [
            "", "v", "1.32", "1.32.x", "vv1.32.13", "1.32.13.1", "1..13", "latest", "1.+2.3", " 1.32.13", "١.٣٢.١",
        ]
    )
    func refused(text: String) { #expect(KubernetesVersion(text) == nil) }

    @Test("numbers are compared as numbers")
    func order() throws {
        let versions = try ["v1.9.12", "1.10.0", "1.32.9", "1.32.13", "2.0.0"].map {
            try #require(KubernetesVersion($0))
        }
        #expect(versions.shuffled().sorted() == versions)
        #expect(versions[3].minors(ahead: versions[1]) == 22)
        #expect(versions[4].minors(ahead: versions[3]) == nil)
    }
}
