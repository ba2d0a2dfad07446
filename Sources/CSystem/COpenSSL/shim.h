// Types of OpenSSL's own headers, and its functions as pointers: the program does not link the library, it loads it
// when a listener or a client first needs TLS (Sources/TransportSecurity/OpenSSL.swift).
#pragma once
#include <dlfcn.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define OPENSSL_FUNCTIONS(X) \
    X(OPENSSL_init_ssl) X(OpenSSL_version) X(ERR_get_error) X(ERR_clear_error) X(ERR_reason_error_string) \
    X(TLS_server_method) X(TLS_client_method) X(SSL_CTX_new) X(SSL_CTX_free) \
    X(SSL_CTX_ctrl) X(SSL_CTX_set_options) X(SSL_CTX_set_cipher_list) X(SSL_CTX_set_ciphersuites) \
    X(SSL_CTX_set_num_tickets) X(SSL_CTX_use_certificate) X(SSL_CTX_use_PrivateKey) X(SSL_CTX_check_private_key) \
    X(SSL_CTX_get_cert_store) X(SSL_CTX_set_verify) X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_add_client_CA) \
    X(SSL_new) X(SSL_free) X(SSL_set_bio) X(SSL_set_accept_state) X(SSL_set_connect_state) X(SSL_do_handshake) \
    X(SSL_read) X(SSL_write) X(SSL_get_error) X(SSL_shutdown) X(SSL_ctrl) X(SSL_set1_host) X(SSL_get0_param) X(SSL_CTX_get0_param) \
    X(SSL_get_verify_result) X(SSL_get1_peer_certificate) X(SSL_get_version) X(SSL_get_current_cipher) \
    X(SSL_CIPHER_get_name) \
    X(BIO_meth_new) X(BIO_meth_set_read) X(BIO_meth_set_write) X(BIO_meth_set_ctrl) X(BIO_new) X(BIO_free) \
    X(BIO_set_data) X(BIO_get_data) X(BIO_set_init) X(BIO_set_flags) X(BIO_clear_flags) X(BIO_get_new_index) \
    X(BIO_new_mem_buf) \
    X(X509_free) X(X509_get_subject_name) X(X509_verify_cert_error_string) X(X509_STORE_add_cert) \
    X(X509_VERIFY_PARAM_set1_ip_asc) X(X509_VERIFY_PARAM_set_flags) X(X509_NAME_entry_count) X(X509_NAME_get_entry) X(X509_NAME_ENTRY_get_object) \
    X(X509_NAME_ENTRY_get_data) X(X509_NAME_ENTRY_set) X(OBJ_obj2txt) X(ASN1_STRING_to_UTF8) X(ASN1_STRING_type) \
    X(ASN1_STRING_get0_data) X(ASN1_STRING_length) X(CRYPTO_free) \
    X(PEM_read_bio_X509) X(PEM_read_bio_PrivateKey) X(d2i_PKCS12_bio) X(PKCS12_parse) X(PKCS12_free) \
    X(OPENSSL_sk_num) X(OPENSSL_sk_value) X(OPENSSL_sk_free) \
    X(EVP_PKEY_free) X(d2i_PUBKEY) X(EVP_MD_CTX_new) X(EVP_MD_CTX_free) X(EVP_sha256) X(EVP_DigestVerifyInit) \
    X(EVP_DigestVerify) X(EVP_DecodeBlock)

/// The functions that Sluice calls.
struct OpenSSLFunctions {
#define X(name) __typeof__(name) *_Nonnull name;
    OPENSSL_FUNCTIONS(X)
#undef X
};

/// Finds every function in a library that dlopen gave.
/// Returns the name of the first that is missing; null if all are there.
static inline const char *_Nullable OpenSSLFunctions_load(void *_Nonnull library, struct OpenSSLFunctions *_Nonnull functions) {
    void *found;
#define X(name) \
    if (!(found = dlsym(library, #name))) return #name; \
    functions->name = (__typeof__(name) *)found;
    OPENSSL_FUNCTIONS(X)
#undef X
    return 0;
}

// What the headers have as macros that Swift does not see.
static const uint64_t TLSOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t TLSWithoutExitHandler = OPENSSL_INIT_NO_ATEXIT;
static const int TLSSourceSink = BIO_TYPE_SOURCE_SINK;
static const int TLSRetryFlags = BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY;
static const int TLSRetryRead = BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY;
