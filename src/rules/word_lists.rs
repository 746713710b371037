//! Word lists for the filters: placeholder values, shared accounts, and words that are not names.
//!
//! Every list is in lower case. Add a word here if a rule matches it by mistake in ordinary text.

use std::collections::HashSet;
use std::sync::OnceLock;

/// A list of words separated by blanks; the set for look-ups is built on first use.
pub(crate) struct WordList {
    text: &'static str,
    set: OnceLock<HashSet<&'static str>>,
    list: OnceLock<Vec<&'static str>>,
}

impl WordList {
    pub(crate) const fn new(text: &'static str) -> WordList {
        WordList { text, set: OnceLock::new(), list: OnceLock::new() }
    }

    /// Whether the word, which must be in lower case, is in the list.
    pub fn has(&self, word: &str) -> bool {
        self.set.get_or_init(|| self.text.split_whitespace().collect()).contains(word)
    }

    /// Returns the words in the order of the source.
    pub fn list(&self) -> &[&'static str] {
        self.list.get_or_init(|| self.text.split_whitespace().collect())
    }
}

/// Parts of a value that show that it is a placeholder: `changeme`, `your-`, `xxxx`.
pub(crate) static PLACEHOLDER_PARTS: WordList = WordList::new(
    "\
    **** -here .... 12345678901 <your _here abc123xyz abcdefgh change-me change-this change_me \
    change_this changeme changethis deadbeef default_ dummy enter- enter_ example example_ fake fixme \
    foobar goes-here goes_here hidden insert lorem masked my-api-key my-password my_api_key my_password \
    my_secret my_token mypassword mysecret no_such nosuch not-real not_real notreal placeholder \
    put-your put_your redacted removed replace s3cret_example sample sanitized scrubbed secret_here \
    test_test todo undefined xxxx your- your_ yourapi yourkey yourpass yoursecret yourtoken",
);

/// Whole values that are words of code or manuals: `production`, `none`, `string`.
pub(crate) static PLACEHOLDER_WORDS: WordList = WordList::new(
    "\
    *** admin and any api_key apikey are argon2 array asdf async await bar basic baz bcrypt bearer been \
    bool boolean bytes can const default demo dev development dict empty encrypted env err error \
    expired false foo foobar for from function guest has hashed have here hidden incorrect input int \
    integer invalid is jwt key let list local localhost map masked md5 missing mongo must mysql new nil \
    no none not null number oauth oauth2 object off ok on option optional optional[str] or output pass \
    pass1234 passphrase passwd password plaintext postgres private prod production public pwd redacted \
    redis required return root secret self sha1 sha256 sha512 should some staging str string test \
    testing tests text that the there this token true type unknown user username valid value var void \
    will with wrong yes",
);

/// Account names that identify no person: they are the same on many machines.
pub(crate) static SHARED_ACCOUNTS: WordList = WordList::new(
    "\
    admin administrator agent app appuser azureuser bar build builder centos ci circleci claude code \
    coder codespace codex conda core data debian default deploy dev docker ec2-user example fedora foo \
    git gitlab-runner gitpod guest home jenkins jovyan kali linuxbrew me name nobody node nonroot opc \
    openclaw oracle pi postgres project projects public root runner runneradmin sandbox shared someone \
    spack src steam test travis ubuntu user username users vagrant vscode work workspace www-data you \
    your-name your-username your_name yourname yourusername",
);

/// Accounts of services, and words that occur in the position of an account name.
pub(crate) static SERVICE_ACCOUNTS: WordList = WordList::new(
    "\
    airflow alice anonymous bob bot daemon elastic email false github-actions grafana input jane \
    jenkins john kafka login member minio mongo mysql name neo4j nginx nil nobody none null owner \
    postgres prometheus rabbitmq redis sa self service staff str string superuser svc system text this \
    true undefined unknown value wheel www",
);

/// Words that are capitalised in texts and are not part of a person's name.
pub(crate) static NOT_NAMES: WordList = WordList::new(
    "\
    display supported vendor global medium \
    visual studio merge branch merged check style install setup lint checkout cache upload download configure prepare validate verify generate compile package restore toolchain formatting clippy rust welt world commit deploy deployment publish ubuntu debian macos nightly stable \
    able actions add address airport algorithm also amazon and anthropic apache api april as at august authored \
    authors avenue bash bot build building by checksum claude client code codex column company contributors copilot \
    corp county currently data december dependabot docker doe edit error example false february file \
    first fix foundation friday full gemini github glad glob gmbh going google grep haiku happy header here \
    how http if inc index institute is island january json july june kubernetes lake last license linux llc \
    ltd march may mein meine meinen microsoft monday mount mozilla name new node none not note november \
    now null october on openai opus or please postgres prize project python react read ready redis \
    renovate retries reviewed road run saint san saturday september server service signed software someone \
    sonnet sorry states still street sunday sure table task team test tests that the theorem this thursday \
    todo true trying tuesday type unable united university unknown update user using value warning was we \
    wednesday what windows working write york you your",
);

/// Frequent words of sentences. A seed phrase contains none of them.
pub(crate) static COMMON_WORDS: WordList = WordList::new(
    "\
    a an and are as at be by for from has if in is it not of or that the this to was with you your",
);

/// Top-level domains that are reserved for examples or local use.
pub(crate) static RESERVED_TLDS: WordList = WordList::new(
    "\
    example internal invalid lan local localhost test",
);

/// Endings of file and unit names, which otherwise read as top-level domains (`user@1000.service`).
pub(crate) static FILE_ENDINGS: WordList = WordList::new(
    "\
    css gif go html jpeg jpg js json lock md mount png py rs service socket svg target timer toml ts \
    tsx webp yaml yml",
);

/// Mail hosts of manuals and of automatic senders.
pub(crate) static EXAMPLE_MAIL_HOSTS: WordList = WordList::new(
    "\
    acme.com anthropic.com_ bar.com company.com domain.com email.com example.com example.net \
    example.org foo.com host.com ingest.sentry.io mycompany.com sentry.io site.com test.com \
    users.noreply.github.com your-domain.com yourdomain.com",
);

/// Local parts of mail addresses in manuals and of automatic senders.
pub(crate) static EXAMPLE_MAIL_LOCALS: WordList = WordList::new(
    "\
    do-not-reply donotreply email example foo git name no-reply noreply somebody someone user username \
    you your-email your.email youremail",
);

/// Words that may follow the keyword in a name that still names the secret itself: `token_prod`, `password_base64`.
pub(crate) static NAME_TAILS: WordList = WordList::new(
    "\
    admin api app auth b64 backup base base64 bot code current data db default dev development env eu \
    hex key live login main new old org password pat pepper phrase plain primary prod production raw \
    read ring ro root rotated rw s salt secondary secret seed stage staging str string temp test \
    testing text tok token us user v1 v2 val value write",
);

/// Words that turn a name into something that is not a secret: `max_tokens`, `primary_key`, `public_key`.
pub(crate) static NAME_DENY: WordList = WordList::new(
    "\
    authenticity bos_token cache_key cache_token cancellation canceltoken checksum cls_token commit \
    content_key continuation csrf csrf_token_name cursor dedup digest eos_token etag fingerprint \
    first_token foreign group_key hotkey i18n idempotency input_token integrity item_key itemkey \
    key_path keyboard keyframe keyof keypath keyword last_token lookup mask_token max_token min_token \
    monkey next_page next_token nexttoken num_token object_key output_token pad_token page_token \
    pagetoken partition primary_key pub_key pubkey public publishable query_key querykey row_key rowkey \
    s3_key sep_token sha1 sha256 shortcut site_key sitekey sort_key sourcekey ssh_key_name stop_token \
    tokenizer translation turkey unk_token websocket xsrf",
);

/// Companies that code, licences and manuals mention; they are no clients of the user.
pub(crate) static PUBLIC_FIRMS: WordList = WordList::new(
    "\
    acme adobe airbnb alibaba alphabet amazon amd anthropic apache apple arm atlassian baidu bytedance \
    canonical cisco cloudflare contoso databricks datadog dell deepmind docker dropbox ebay elastic \
    elasticsearch ericsson example facebook fastly free github gitlab google hashicorp heroku hp huawei ibm \
    initech intel jetbrains joyent linux linkedin meta microsoft mistral mongodb mozilla netflix nokia npm nvidia \
    openai oracle palantir paypal pivotal python qualcomm red redhat salesforce samsung sap sentry shopify \
    siemens slack snowflake software sony spotify stripe sun tencent tesla the twilio twitter uber vercel \
    vmware xerox yahoo yandex zoom",
);

/// Words of programs that occur in the position of a company name.
pub(crate) static CODE_WORDS: WordList = WordList::new(
    "\
    a add admin all an any api app apps array async auth base boolean build bundle cache case class client \
    code common component components config connection const context controller copyright core create custom \
    customer data date default delete demo detail details dir dist docs edit email entity entry enum env error \
    event examples exception export false feature features field file find fix foo for from function get guide \
    handler helper helpers home hooks http https id if import in index init int interface internal is item items \
    js json key lib list local log login main manager map media method mock model models module modules my name \
    new no node none not note null number object of on option optional options or order override page pages \
    params parent part patch path plugin portal post private profile promise props provider public query react \
    record ref remote remove request response rest result return root route router routes run schema script sdk \
    secret section see select self server service services session set settings shared side sort src start state \
    static status step store string style styles support table test tests that then this title to todo token true \
    type types ui undefined uninstall update url use user users util utils value version view views void web when \
    where with work your",
);

/// Words after `@` or in `TODO(…)` that are not an account: decorators, scopes, tags.
pub(crate) static CODE_HANDLES: WordList = WordList::new(
    "\
    abstract angular apply author autowired babel bean before bug builtin cached channel charset claude click \
    codex compat computed copilot cleanup container controller debug decorator dependabot deprecated directive \
    docs doc example everyone experimental extend feature fixture fontface font-face given github gemini here hotfix \
    import imports include inject injectable input issue jest keyframes latest layer legacy mark media mixin \
    module next nightly nonnull nullable nullsafe openai output overload override param parametrize params patch perf performance \
    property propertywrapper pytest ratelimit react refactor renovate requestmapping require returns rust safe \
    security selector skip something sharedstate spec staticmethod classmethod storybook supports suppresswarnings swift \
    tailwind tanstack team testing throws todo transactional types typing unittest unsafe usedoptionally usage use vite \
    vue warning wraps windows linux macos release beta alpha",
);

/// Schemes of servers that belong to somebody, as opposed to public sites.
pub(crate) static SERVER_SCHEMES: WordList = WordList::new(
    "\
    postgres postgresql mysql mariadb mongodb srv redis rediss amqp amqps mssql sqlserver clickhouse \
    cockroachdb oracle kafka nats mqtt mqtts smtp smtps imap imaps ldap ldaps ftp sftp ssh couchdb neo4j \
    bolt snowflake redshift psycopg psycopg2 asyncpg pymysql valkey memcached elasticsearch",
);

/// Beginnings of references to a value that is stored elsewhere: environment, secret stores, fields of objects.
pub(crate) static REFERENCE_STARTS: WordList = WordList::new(
    "\
    process.env os.environ os.getenv getenv import.meta std::env env. secrets. config. settings. vault: \
    op:// arn: file: self. this. args. options. params. req. request. ctx. props. state. data. user.",
);
