import FoundationEssentials
import RemoteShell

/// Reads a private key file and finds out, without its secret, what kind of key it is.
enum PrivateKeyFile {
    static func load(_ path: String, passphraseFile: String?) throws(LinkFault) -> LoginKey {
        let bytes = try SecretFile.read(path)
        var passphrase: String?
        if let passphraseFile {
            var text = try SecretFile.read(passphraseFile)
            if text.last == UInt8(ascii: "\n") { text.removeLast() }
            passphrase = String(decoding: text, as: UTF8.self)
        }
        return LoginKey(name: path, secret: .file(bytes, passphrase: passphrase))
    }
}
