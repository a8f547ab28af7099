package import ClusterModel
package import RemoteShell
import RunEngine

/// The fingerprint of the cluster's CA: which cluster a host belongs to, whatever it is called.
package struct CertificateAuthority: Fact {
    package static let name = "kubernetes.ca"
    package let pki: String

    package init(pki: String) { self.pki = pki }

    package struct Value: Codable, Sendable, Hashable {
        /// SHA-256 (hex) of the public key (SPKI, DER), as kubeadm's discovery hash; nil when there is no CA file.
        package let fingerprint: String?
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            [ -r "$1/ca.crt" ] || { echo none; exit 0; }
            openssl x509 -in "$1/ca.crt" -noout -pubkey 2>/dev/null | openssl pkey -pubin -outform der 2>/dev/null | sha256sum
            """,
            [pki]
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let word = answer.text.split(whereSeparator: { $0 == " " || $0 == "\n" }).first.map(String.init) ?? ""
        let ofNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        return Value(fingerprint: word.count == 64 && word != ofNothing ? word : nil)
    }

    package func bound(_ value: Value) throws -> JSONValue? { value.fingerprint.map { .string($0) } }
}
