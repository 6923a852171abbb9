from rote.data import corpora, images

print("scans of digits", images.digits().pixels.shape)
for document in corpora.documents(["a red kite", {"text": "a bird of prey"}]):
    print(document.id, document.text)
# > scans of digits (1797, 8, 8)
# > text:0 a red kite
# > text:1 a bird of prey
